import { Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { UseQueryResult } from "@tanstack/react-query";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useMemo, useRef } from "react";
import { Refusal } from "../../api/client";
import { useEnqueue } from "../../api/jobs";
import { catalogue, datasets } from "../../api/queries";
import type { FieldProblem, Preflight, ShapeChoice, TaskChoice } from "../../api/schema";
import { text } from "../../text";
import { Card, Tag } from "../../ui/card";
import { Choices } from "../../ui/choices";
import { Page } from "../../ui/page";
import { Refused } from "../../ui/refused";
import { AsText } from "../../ui/request-text";
import { Data } from "./data";
import { type Changes, changed, type Given, takenBy } from "./fields";
import { useGiven } from "./given";
import { Model } from "./model";
import classes from "./new-run.module.css";
import { Option } from "./option";
import { isWhole, NEEDED, options, preflight, requestOf } from "./queries";
import { Settings } from "./settings";
import { completed, shapeOf, teaches } from "./usual";
import { Verdict } from "./verdict";

const CHECK_MS = 300;
const words = text.newRun;
/** Asked for outside of "settings". */
const GUIDED = new Set(["task", "dataset", "mix", "model_name", "strategy", "preset", "name"]);

/** From a goal to a request that is known to work, and its start. */
export function NewRun() {
  const { data: fields } = useSuspenseQuery(options);
  const uploaded = useSuspenseQuery(datasets).data.datasets;
  const { tasks, strategies, models, shapes, presets } = useSuspenseQuery(catalogue).data;
  const [given, setGiven] = useGiven(fields);
  const whole = useMemo(
    () => completed(given, { datasets: uploaded, shapes, models }),
    [given, uploaded, shapes, models],
  );
  const [asked] = useDebouncedValue(whole, CHECK_MS);
  const check = useQuery(preflight(asked));
  const start = useEnqueue();
  const verdict = useRef<HTMLHeadingElement>(null);

  const set = (changes: Changes) => setGiven(changed(given, changes));
  const problems = byField(
    check.error instanceof Refusal ? check.error.problems : (check.data?.problems ?? []),
  );
  const ready = isWhole(whole);
  const behind = asked !== whole || check.isPlaceholderData || check.isPending;
  const shape = shapeOf(whole.dataset, { datasets: uploaded, shapes, models });
  const task = tasks.find((each) => each.name === whole.task);
  const method = whole.strategy ?? "sft";
  const named = fields.find((field) => field.name === "name");

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (ready) start.mutate(requestOf(whole));
  }

  return (
    <Page title={words.title} about={words.about}>
      <form className={classes.columns} onSubmit={submit} noValidate>
        <div className={classes.steps}>
          <Step number={1} title={words.goal}>
            <Choices
              label={words.task}
              value={whole.task}
              error={problems.get("task")}
              onChange={(name) => set({ task: name })}
              choices={tasks.map(({ name, about }) => ({
                value: name,
                title: words.tasks[name] ?? name,
                about,
                tag: shape && !teaches(shape, name, undefined) && <Tag kind="warn">{words.misfit.data}</Tag>,
              }))}
            />
            {given.task === undefined && task && <p className={classes.aside}>{words.usualGoal}</p>}
          </Step>
          <Step number={2} title={words.data}>
            <Data given={given} datasets={uploaded} shapes={shapes} problems={problems} set={set} />
          </Step>
          <Step number={3} title={words.model}>
            <Model
              given={given}
              whole={whole}
              models={models}
              problem={problems.get("model_name")}
              set={set}
            />
          </Step>
          <Step number={4} title={words.method}>
            <Choices
              label={words.strategy}
              value={method}
              error={problems.get("strategy")}
              onChange={(strategy) => set({ strategy })}
              choices={strategies.map(({ name, about, available, obstacle }) => ({
                value: name,
                title: words.strategies[name] ?? name,
                about: obstacle === null ? about : words.because(about, obstacle),
                tag: available ? (
                  <MethodTag method={name} task={task} shape={shape} shapes={shapes} />
                ) : (
                  <Tag kind="warn">{words.unavailable}</Tag>
                ),
              }))}
            />
            {given.strategy === undefined && whole.strategy !== undefined && (
              <p className={classes.aside}>{words.usualMethod}</p>
            )}
          </Step>
          <Step number={5} title={words.settings}>
            <div className={classes.fields}>
              <Choices
                label={words.preset}
                value={String(given.preset ?? "")}
                onChange={(preset) => set({ preset })}
                choices={presets.map(({ name, about }) => ({
                  value: name,
                  title: words.presets[name] ?? name,
                  about,
                }))}
              />
              <Settings
                given={given}
                fields={takenBy(fields, { ...whole, strategy: method }, [...tasks, ...strategies]).filter(
                  (field) => !GUIDED.has(field.name),
                )}
                filled={check.data?.config ?? {}}
                problems={problems}
                set={set}
              />
            </div>
          </Step>
          {named && (
            <Step number={6} title={words.name}>
              <Option
                field={named}
                value={given.name}
                filled={check.data?.name}
                error={problems.get("name")}
                onChange={(name) => set({ name })}
              />
            </Step>
          )}
        </div>
        <aside className={classes.side} aria-label={words.verdict.title}>
          <div className={classes.panel} aria-busy={behind}>
            <div className={classes.panelHead}>
              <h2 ref={verdict} tabIndex={-1}>
                {words.verdict.title}
              </h2>
              {ready && behind && <span className={classes.small}>{words.verdict.checking}</span>}
            </div>
            <Answer ready={ready} check={check} apply={set} />
          </div>
          <div className={classes.start}>
            <State whole={whole} check={check} />
            {ready && (
              <Button
                className={classes.jump}
                variant="subtle"
                size="compact-sm"
                onClick={() => verdict.current?.focus()}
              >
                {words.verdict.details}
              </Button>
            )}
            <Button
              type="submit"
              size="md"
              loading={start.isPending}
              disabled={!ready || behind || check.data?.ok !== true || check.isError}
            >
              {words.start}
            </Button>
          </div>
          {check.data && ready && (
            <details className={classes.panel}>
              <summary>{text.names.request.title}</summary>
              <AsText request={check.data.request} />
            </details>
          )}
        </aside>
      </form>
    </Page>
  );
}

/** What is wrong with each field: what is refused first. */
function byField(problems: readonly FieldProblem[]): Map<string, string> {
  return new Map([...problems].reverse().map(({ field, detail }) => [field, detail]));
}

function Step({ number, title, children }: { number: number; title: string; children: ReactNode }) {
  return (
    <section className={classes.step} aria-label={title}>
      <h2>
        <span className={classes.number} aria-hidden>
          {number}
        </span>
        {title}
      </h2>
      {children}
    </section>
  );
}

interface MethodTagProps {
  method: string;
  task: TaskChoice | undefined;
  shape: ShapeChoice | undefined;
  shapes: readonly ShapeChoice[];
}

/** Why a method is not for what was chosen. */
function MethodTag({ method, task, shape, shapes }: MethodTagProps) {
  if (task && !task.strategies.includes(method)) return <Tag kind="warn">{words.misfit.goal}</Tag>;
  if (shape === undefined || teaches(shape, task?.name, method)) return null;
  const [wanted, another] = shapes.filter((each) => teaches(each, task?.name, method));
  const kind = another === undefined && wanted ? text.datasets.shapes[wanted.name] : undefined;
  return <Tag kind="warn">{kind ? words.misfit.needs(kind) : words.misfit.data}</Tag>;
}

/** Whether it can start, in a line. */
function State({ whole, check }: { whole: Given; check: UseQueryResult<Preflight> }) {
  // A model comes with the goal.
  const missing = NEEDED.filter((name) => !whole[name] && (name !== "model_name" || whole.task));
  const open = missing.map((name) => words.verdict.needed[name]);
  const refused = check.error instanceof Refusal ? check.error.title : check.data?.error;
  return (
    <p role="status" className={classes.state}>
      {open.length > 0 ? (
        words.verdict.open(open)
      ) : refused ? (
        <strong className={classes.refused}>{words.verdict.cannot(refused)}</strong>
      ) : check.data ? (
        <Tag kind="good">{words.verdict.ok}</Tag>
      ) : (
        words.verdict.checking
      )}
    </p>
  );
}

interface AnswerProps {
  ready: boolean;
  check: UseQueryResult<Preflight>;
  apply: (changes: Changes) => void;
}

function Answer({ ready, check, apply }: AnswerProps) {
  if (!ready) return <p className={classes.small}>{words.verdict.waiting}</p>;
  if (check.data) return <Verdict answer={check.data} apply={apply} />;
  if (!check.error) return null;
  if (check.error instanceof Refusal && check.error.status === 400)
    return <Card kind="bad">{check.error.detail}</Card>;
  return <Refused error={check.error} retry={check.refetch} />;
}
