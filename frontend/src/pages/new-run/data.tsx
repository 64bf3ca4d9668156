import { Button, NativeSelect } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { DatasetSummary, MixPart, ShapeChoice } from "../../api/schema";
import { text } from "../../text";
import { Empty, Tag } from "../../ui/card";
import { Choices } from "../../ui/choices";
import { count } from "../../ui/format";
import { Elsewhere } from "./elsewhere";
import type { Changes, Given } from "./fields";
import { More } from "./more";
import classes from "./new-run.module.css";
import { teaches } from "./usual";

const words = text.newRun.dataset;

interface Props {
  given: Given;
  datasets: readonly DatasetSummary[];
  shapes: readonly ShapeChoice[];
  problems: ReadonlyMap<string, string>;
  set: (changes: Changes) => void;
}

/** An uploaded dataset or a file on the server's machine, and more of them beside it. */
export function Data({ given, datasets, shapes, problems, set }: Props) {
  const uploaded = datasets.some((each) => each.filename === given.dataset);
  const problem = problems.get("dataset");
  const offered = datasets
    .map((each) => ({
      ...each,
      misfit: misfitOf(
        shapes.find(({ name }) => name === each.shape),
        given,
      ),
    }))
    .reverse()
    .sort((one, other) => Number(one.misfit !== null) - Number(other.misfit !== null));
  return (
    <div className={classes.fields}>
      {datasets.length === 0 ? (
        <Empty title={words.none.title} detail={words.none.detail}>
          <Button
            mt="sm"
            size="xs"
            variant="default"
            renderRoot={(props) => <Link to="/datasets" {...props} />}
          >
            {words.none.action}
          </Button>
        </Empty>
      ) : (
        <Choices
          label={words.label}
          layout="list"
          value={given.dataset}
          error={uploaded ? problem : undefined}
          onChange={(dataset) => set({ dataset, dataset_version: undefined })}
          choices={offered.map(({ filename, num_examples, shape, valid, misfit }) => ({
            value: filename,
            title: filename,
            about: words.about(words.rows(count(num_examples)), text.datasets.shapes[shape ?? ""]),
            tag: misfit ? <Tag kind="warn">{misfit}</Tag> : !valid && <Tag kind="warn">{words.bad}</Tag>,
          }))}
        />
      )}
      {uploaded && given.dataset && (
        <p className={classes.small}>
          <Link to="/datasets/$filename" params={{ filename: given.dataset }}>
            {words.report(given.dataset)}
          </Link>
        </p>
      )}
      <Elsewhere
        label={words.path}
        description={words.pathAbout}
        placeholder={words.pathExample}
        value={given.dataset}
        listed={uploaded}
        error={problem}
        onChange={(dataset) => set({ dataset, dataset_version: undefined })}
      />
      <Mix
        parts={given.mix ?? []}
        datasets={datasets}
        problem={problems.get("mix")}
        set={(parts) => set({ mix: parts.length > 0 ? parts : undefined })}
      />
    </div>
  );
}

/** Why a dataset is not for what was chosen, in a few words. */
function misfitOf(shape: ShapeChoice | undefined, { task, strategy }: Given): string | null {
  if (shape === undefined) return text.datasets.states.unmapped;
  if (!teaches(shape, task, undefined)) return text.newRun.misfit.goal;
  return teaches(shape, task, strategy) ? null : text.newRun.misfit.method;
}

interface MixProps {
  parts: readonly MixPart[];
  datasets: readonly DatasetSummary[];
  problem: string | undefined;
  set: (parts: MixPart[]) => void;
}

function Mix({ parts, datasets, problem, set }: MixProps) {
  const change = (index: number, part: Partial<MixPart>) =>
    set(parts.map((each, at) => (at === index ? { ...each, ...part } : each)));
  if (datasets.length < 2 && parts.length === 0) return null;
  return (
    <More title={words.mix} wanted={parts.length > 0}>
      <p className={classes.small}>{words.mixAbout}</p>
      {parts.map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the same dataset may be there twice for a moment
        <div key={index} className={classes.part}>
          <NativeSelect
            aria-label={words.part(index + 1)}
            value={part.dataset}
            data={[...new Set([part.dataset, ...datasets.map((each) => each.filename)])]}
            onChange={(event) => change(index, { dataset: event.target.value, version: undefined })}
          />
          <NativeSelect
            aria-label={words.weight}
            value={String(part.weight ?? 1)}
            data={
              WEIGHTS.includes(part.weight ?? 1)
                ? WEIGHTS.map(String)
                : [String(part.weight), ...WEIGHTS.map(String)]
            }
            onChange={(event) => change(index, { weight: Number(event.target.value) })}
          />
          <Button variant="default" onClick={() => set(parts.filter((_, at) => at !== index))}>
            {words.remove}
          </Button>
        </div>
      ))}
      {problem && <p className={classes.problem}>{problem}</p>}
      {datasets[0] && (
        <Button
          size="xs"
          variant="default"
          onClick={() => set([...parts, { dataset: datasets[0]?.filename ?? "", weight: 1 }])}
        >
          {words.add}
        </Button>
      )}
    </More>
  );
}

const WEIGHTS = [0.1, 0.25, 0.5, 1, 2, 4];
