import { NativeSelect } from "@mantine/core";
import { type UseQueryResult, useQueries } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { jobWith } from "../../api/jobs";
import type { JobDetail } from "../../api/schema";
import { Charts } from "../../curves/charts";
import { useCurves } from "../../curves/live";
import type { ChartLook } from "../../curves/look";
import { useMeasured } from "../../curves/names";
import { measures } from "../../measures/measures";
import { text } from "../../text";
import { measureAbout, measureName } from "../../text/measures";
import { Empty } from "../../ui/card";
import { measured } from "../../ui/format";
import { Missing } from "../../ui/missing";
import { Page, Section } from "../../ui/page";
import { StateTag } from "../../ui/state-tag";
import { Table } from "../../ui/table";
import { differing } from "./differences";
import classes from "./runs.module.css";
import { setting } from "./setting";

const LOSS = "loss";
/** It is the run's own. */
const NAME = "name";

/** What is compared, and how, as the page's address has it. */
export interface Search extends ChartLook {
  /** Ids, with commas between them. */
  ids?: string;
  measure?: string;
}

interface Props {
  search: Search;
  change: (changes: Search) => void;
}

/** Runs beside each other. */
export function Compare({ search, change }: Props) {
  const ids = useMemo(() => [...new Set((search.ids ?? "").split(",").filter(Boolean))], [search.ids]);
  const words = text.runs.comparison;
  return (
    <Page title={words.title} above={<Link to="/runs">{words.all}</Link>}>
      {ids.length < 2 ? (
        <Empty {...words.few} />
      ) : (
        <Compared key={search.ids} ids={ids} search={search} change={change} />
      )}
    </Page>
  );
}

function Compared({ ids, search, change }: Props & { ids: readonly string[] }) {
  const asked = useQueries({ queries: ids.map(jobWith) });
  const missing = asked.find((each) => each.error && !each.data) ?? asked.find((each) => !each.data);
  if (missing) return <Missing of={missing} lines={8} />;
  const jobs = asked.flatMap((each) => each.data ?? []);
  const words = text.runs.comparison;
  return (
    <>
      <Section title={words.curves}>
        <Overlaid ids={ids} search={search} change={change} />
      </Section>
      <Section title={words.differ}>
        <Settings jobs={jobs} />
      </Section>
      <Section title={words.measured}>
        <p>{words.legend}</p>
        <Measured jobs={jobs} />
      </Section>
    </>
  );
}

function Overlaid({ ids, search, change }: Props & { ids: readonly string[] }) {
  const live = useCurves(ids);
  const names = useQueries({ queries: ids.map(jobWith), combine: namesOf });
  const measure = search.measure ?? LOSS;
  const known = new Set([LOSS, measure, ...useMeasured(live.curves)]);
  const charts = useMemo(() => {
    const lines = [...live.curves.values()].map((curves, at) => ({
      curves,
      measure,
      label: names[at] ?? "",
    }));
    return [{ title: measureName(measure), about: measureAbout(measure), lines }];
  }, [live.curves, measure, names]);
  return (
    <Charts live={live} charts={charts} look={search} change={change}>
      <NativeSelect
        size="xs"
        aria-label={text.measures.measure}
        value={measure}
        onChange={(event) =>
          change({ measure: event.target.value === LOSS ? undefined : event.target.value })
        }
        data={[...known].map((value) => ({ value, label: measureName(value) }))}
      />
    </Charts>
  );
}

/** The same array while the names are the same. */
function namesOf(asked: readonly UseQueryResult<JobDetail>[]): string[] {
  return asked.map((each) => each.data?.name ?? "");
}

function Heads({ jobs, first }: { jobs: readonly JobDetail[]; first: string }) {
  return (
    <thead>
      <tr>
        <th scope="col">{first}</th>
        {jobs.map((job) => (
          <th key={job.id} scope="col" className={classes.name}>
            <Link to="/runs/$jobId" params={{ jobId: job.id }}>
              {job.name}
            </Link>{" "}
            <StateTag state={job.status} />
          </th>
        ))}
      </tr>
    </thead>
  );
}

function Settings({ jobs }: { jobs: readonly JobDetail[] }) {
  const words = text.runs.comparison;
  const rows = differing(jobs.map((job) => job.config)).filter(({ name }) => name !== NAME);
  if (rows.length === 0) return <p>{words.same}</p>;
  return (
    <Table label={words.differ}>
      <Heads jobs={jobs} first={words.setting} />
      <tbody>
        {rows.map(({ name, values }) => (
          <tr key={name}>
            <th scope="row">
              <code>{name}</code>
            </th>
            {values.map((value, at) => (
              <td key={jobs[at]?.id} className={classes.setting}>
                {setting(value)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function Measured({ jobs }: { jobs: readonly JobDetail[] }) {
  const words = text.runs.comparison;
  const each = jobs.map((job) => new Map(measures(job.metrics ?? {}).map((found) => [found.name, found])));
  const names = [...new Set(each.flatMap((found) => [...found.keys()]))];
  if (names.length === 0) return <Empty {...text.run.results.none} />;
  return (
    <Table label={words.measured}>
      <Heads jobs={jobs} first={text.measures.measure} />
      <tbody>
        {names.map((name) => (
          <tr key={name}>
            <th scope="row">{measureName(name)}</th>
            {each.map((found, at) => {
              const own = found.get(name);
              return (
                <td key={jobs[at]?.id}>
                  {own === undefined
                    ? "–"
                    : own.before === null
                      ? measured(own.after)
                      : words.beforeAfter(measured(own.before), measured(own.after))}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
