import { Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { UseQueryResult } from "@tanstack/react-query";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import type { FormEvent, ReactNode } from "react";
import { Refusal } from "../../api/client";
import { catalogue, datasets } from "../../api/queries";
import type { Preflight } from "../../api/schema";
import { text } from "../../text";
import { Tag } from "../../ui/card";
import { Choices } from "../../ui/choices";
import { Loading } from "../../ui/loading";
import { Page } from "../../ui/page";
import { Refused } from "../../ui/refused";
import { Data } from "./data";
import { changed, type Given, takenBy } from "./fields";
import { useGiven } from "./given";
import { Model } from "./model";
import classes from "./new-run.module.css";
import { problemsOf } from "./problems";
import { isWhole, options, preflight } from "./queries";
import { AsText } from "./request";
import { Settings } from "./settings";
import { useStart } from "./start";
import { Verdict } from "./verdict";

const CHECK_MS = 300;
const words = text.newRun;
/** Asked for outside of "advanced". */
const GUIDED = new Set(["task", "dataset", "mix", "model_name", "strategy", "preset"]);

/** From a goal to a request that is known to work, and its start. */
export function NewRun() {
  const [given, setGiven] = useGiven();
  const { data: fields } = useSuspenseQuery(options);
  const uploaded = useSuspenseQuery(datasets).data.datasets;
  const { tasks, strategies, models, presets } = useSuspenseQuery(catalogue).data;
  const [asked] = useDebouncedValue(given, CHECK_MS);
  const check = useQuery(preflight(asked));
  const start = useStart();

  const names = new Set(fields.map((field) => field.name));
  const problems = check.isError
    ? problemsOf(check.error.message, names, null)
    : check.data?.ok === false
      ? problemsOf(check.data.detail ?? "", names, check.data.field)
      : new Map<string, string>();
  const set = (changes: Record<string, unknown>) => setGiven(changed(given, changes));
  const chosen = { ...given, strategy: given.strategy ?? "sft" };
  const behind = asked !== given || check.isPlaceholderData || check.isPending;

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (isWhole(given)) start.mutate(given);
  }

  return (
    <Page title={words.title} about={words.about}>
      <form className={classes.columns} onSubmit={submit} noValidate>
        <div className={classes.steps}>
          <Step number={1} title={words.goal}>
            <Choices
              label={words.task}
              value={given.task}
              error={problems.get("task")}
              onChange={(task) => set({ task })}
              choices={tasks.map(({ name, about }) => ({
                value: name,
                title: words.tasks[name] ?? name,
                about,
              }))}
            />
          </Step>
          <Step number={2} title={words.data}>
            <Data given={given} datasets={uploaded} problems={problems} set={set} />
          </Step>
          <Step number={3} title={words.model}>
            <Model given={given} models={models} problem={problems.get("model_name")} set={set} />
          </Step>
          <Step number={4} title={words.method}>
            <Choices
              label={words.strategy}
              value={chosen.strategy}
              error={problems.get("strategy")}
              onChange={(strategy) => set({ strategy })}
              choices={strategies.map(({ name, about, available, obstacle }) => ({
                value: name,
                title: words.strategies[name] ?? name,
                about: obstacle === null ? about : words.because(about, obstacle),
                tag: available ? null : <Tag kind="warn">{words.unavailable}</Tag>,
              }))}
            />
          </Step>
          <Step number={5} title={words.settings}>
            <div className={classes.fields}>
              <Choices
                label={words.preset}
                value={given.preset ?? undefined}
                onChange={(preset) => set({ preset })}
                choices={presets.map(({ name, about }) => ({
                  value: name,
                  title: words.presets[name] ?? name,
                  about,
                }))}
              />
              <Settings
                given={given}
                fields={takenBy(fields, chosen, [...tasks, ...strategies]).filter(
                  (field) => !GUIDED.has(field.name),
                )}
                filled={check.data?.config ?? {}}
                problems={problems}
                set={set}
              />
            </div>
          </Step>
        </div>
        <aside className={classes.aside} aria-label={words.verdict.title}>
          <div className={classes.panel} aria-busy={behind}>
            <div className={classes.panelHead}>
              <h2>{words.verdict.title}</h2>
              {isWhole(given) && behind && <span className={classes.small}>{words.verdict.checking}</span>}
            </div>
            <Answer given={given} check={check} apply={set} />
            <Button
              type="submit"
              size="md"
              fullWidth
              mt="md"
              loading={start.isPending}
              disabled={!isWhole(given) || behind || check.data?.ok !== true || check.isError}
            >
              {words.start}
            </Button>
          </div>
          {check.data && isWhole(given) && (
            <details className={classes.panel}>
              <summary>{words.request.title}</summary>
              <AsText request={check.data.request} />
            </details>
          )}
        </aside>
      </form>
    </Page>
  );
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

interface AnswerProps {
  given: Given;
  check: UseQueryResult<Preflight>;
  apply: (changes: Record<string, unknown>) => void;
}

function Answer({ given, check, apply }: AnswerProps) {
  if (!isWhole(given)) return <p className={classes.small}>{words.verdict.waiting}</p>;
  if (check.error && !check.data) {
    const asked = check.error instanceof Refusal && check.error.status === 400;
    return <Refused error={check.error} retry={asked ? undefined : check.refetch} />;
  }
  return check.data ? (
    <div role="status">
      <Verdict answer={check.data} apply={apply} />
    </div>
  ) : (
    <Loading />
  );
}
