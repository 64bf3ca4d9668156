import { Button, Checkbox, NativeSelect, TextInput, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Dispatch, memo, type SetStateAction, useMemo, useState } from "react";
import { allJobs } from "../../api/jobs";
import type { JobSummary } from "../../api/schema";
import { isOpen } from "../../api/states";
import { lossOf } from "../../measures/measures";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { duration, measured, moment } from "../../ui/format";
import { Missing } from "../../ui/missing";
import { useNow } from "../../ui/now";
import { Page, Section } from "../../ui/page";
import { StateTag } from "../../ui/state-tag";
import { Table } from "../../ui/table";
import { useTyped } from "../../ui/typed";
import { type Choice, COLUMNS, type Column, chosen, seconds } from "./choice";
import { Queue } from "./queue";
import classes from "./runs.module.css";

/** So many rows are drawn at once. */
const SHOWN = 200;
const STATES = Object.entries(text.names.states).filter(([state]) => state !== "idle");
const NUMBERS: readonly Column[] = ["loss", "duration"];

interface Props {
  choice: Choice;
  /** Changes of it. */
  choose: (changes: Choice) => void;
}

/** All runs, and the queue. */
export function Runs({ choice, choose }: Props) {
  const jobs = useQuery(allJobs);
  return (
    <Page title={text.runs.title}>
      {!jobs.data ? (
        <Missing of={jobs} lines={8} />
      ) : jobs.data.jobs.length === 0 ? (
        <Empty {...text.runs.none} />
      ) : (
        <>
          <Queue jobs={jobs.data.jobs} />
          <Section title={text.runs.all}>
            <Listed jobs={jobs.data.jobs} choice={choice} choose={choose} />
          </Section>
        </>
      )}
    </Page>
  );
}

function Listed({ jobs, choice, choose }: Props & { jobs: readonly JobSummary[] }) {
  const [search, setSearch] = useTyped(choice.search ?? "", (text) => choose({ search: text || undefined }));
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [shown, setShown] = useState(SHOWN);
  const words = text.runs;
  const now = useNow(jobs.some((job) => isOpen(job.status)));
  const found = useMemo(() => chosen(jobs, { ...choice, search }, now), [jobs, choice, search, now]);
  return (
    <>
      <div className={classes.choices}>
        <TextInput
          type="search"
          label={words.filter}
          placeholder={words.filterHint}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          className={classes.search}
        />
        <NativeSelect
          label={words.state}
          value={choice.state ?? ""}
          onChange={(event) => choose({ state: (event.target.value || undefined) as Choice["state"] })}
          data={[{ value: "", label: words.anyState }, ...STATES.map(([value, label]) => ({ value, label }))]}
        />
        <span className={classes.found} role="status">
          {words.found(found.length, jobs.length)}
        </span>
        {marked.size < 2 ? (
          <Button variant="default" disabled title={words.compareHint}>
            {words.compare(0)}
          </Button>
        ) : (
          <Button
            renderRoot={(props) => (
              <Link to="/runs/compare" search={{ ids: [...marked].join(",") }} {...props} />
            )}
          >
            {words.compare(marked.size)}
          </Button>
        )}
      </div>
      {found.length === 0 ? (
        <Empty {...words.noneLeft}>
          <Button
            size="xs"
            mt="sm"
            variant="default"
            onClick={() => choose({ search: undefined, state: undefined })}
          >
            {words.clear}
          </Button>
        </Empty>
      ) : (
        <Table label={words.title}>
          <thead>
            <tr>
              <th scope="col">
                <VisuallyHidden>{words.table.choose}</VisuallyHidden>
              </th>
              {COLUMNS.map((column) => (
                <Head key={column} column={column} choice={choice} choose={choose} />
              ))}
            </tr>
          </thead>
          <tbody>
            {found.slice(0, shown).map((job) => (
              <Row
                key={job.id}
                job={job}
                took={took(job, now)}
                marked={marked.has(job.id)}
                mark={setMarked}
              />
            ))}
          </tbody>
        </Table>
      )}
      {found.length > shown && (
        <Button variant="default" mt="md" onClick={() => setShown(shown + SHOWN)}>
          {words.more(Math.min(SHOWN, found.length - shown))}
        </Button>
      )}
    </>
  );
}

interface RowProps {
  job: JobSummary;
  took: string;
  marked: boolean;
  mark: Dispatch<SetStateAction<ReadonlySet<string>>>;
}

/** Drawn anew only when something of its own has changed: the run that trains is told of ten times a second. */
const Row = memo(function Row({ job, took, marked, mark }: RowProps) {
  const words = text.runs;
  return (
    <tr>
      <td>
        <Checkbox
          size="sm"
          aria-label={words.chooseOne(job.name)}
          checked={marked}
          onChange={(event) => mark(event.target.checked ? withOne(job.id) : withoutOne(job.id))}
        />
      </td>
      <th scope="row" className={classes.name}>
        <Link to="/runs/$jobId" params={{ jobId: job.id }}>
          {job.name}
        </Link>
      </th>
      <td>
        <StateTag state={job.status} />
        {job.status === "training" && (
          <span className={classes.progress}>{words.progress(job.progress)}</span>
        )}
      </td>
      <td className={classes.words}>{job.model_name}</td>
      <td className={classes.words}>{job.dataset}</td>
      <td>{job.strategy}</td>
      <td data-number>{measured(lossOf(job))}</td>
      <td className={classes.moment}>{moment(job.created_at)}</td>
      <td data-number>{took}</td>
    </tr>
  );
});

const withOne = (id: string) => (marked: ReadonlySet<string>) => new Set([...marked, id]);
const withoutOne = (id: string) => (marked: ReadonlySet<string>) =>
  new Set([...marked].filter((each) => each !== id));

function took(job: JobSummary, now: number): string {
  const time = seconds(job, now);
  return time === null ? "–" : duration(time);
}

/** A column's head, by which the table is sorted. */
function Head({ column, choice, choose }: Props & { column: Column }) {
  const sorted = (choice.sort ?? "created") === column;
  const up = choice.up ?? false;
  const Arrow = up ? IconArrowUp : IconArrowDown;
  return (
    <th
      scope="col"
      data-number={NUMBERS.includes(column) || undefined}
      aria-sort={sorted ? (up ? "ascending" : "descending") : undefined}
    >
      <UnstyledButton
        className={classes.head}
        // Names from their first letter on, times and numbers from the largest.
        onClick={() =>
          choose({
            sort: column,
            up: (sorted ? !up : !LARGEST_FIRST.includes(column)) || undefined,
          })
        }
      >
        {text.runs.table[column]}
        {sorted && <Arrow size={13} aria-hidden />}
      </UnstyledButton>
    </th>
  );
}

const LARGEST_FIRST: readonly Column[] = ["created", "duration"];
