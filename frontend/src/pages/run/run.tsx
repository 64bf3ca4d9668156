import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useMemo, useRef } from "react";
import { jobWith } from "../../api/jobs";
import type { JobDetail } from "../../api/schema";
import { useCurves } from "../../curves/live";
import type { ChartLook } from "../../curves/look";
import { text } from "../../text";
import { Missing } from "../../ui/missing";
import { Page } from "../../ui/page";
import { StateTag } from "../../ui/state-tag";
import { Actions } from "./actions";
import { CurvesView } from "./curves-view";
import { HistoryView } from "./history-view";
import { LogView } from "./log-view";
import { Outcome } from "./outcome";
import { Progressed } from "./progressed";
import { ResultsView } from "./results-view";
import classes from "./run.module.css";
import { SamplesView } from "./samples-view";
import { SettingsView } from "./settings-view";

export const VIEWS = ["curves", "results", "samples", "history", "settings", "log"] as const;

/** What of a run is looked at, and how, as the page's address has it. */
export interface Look extends ChartLook {
  view?: (typeof VIEWS)[number];
  /** What the lines of the log are to have in them. */
  find?: string;
}

interface Props {
  id: string;
  look: Look;
  change: (changes: Look) => void;
}

export function Run({ id, look, change }: Props) {
  const job = useQuery(jobWith(id));
  const above = <Link to="/runs">{text.runs.title}</Link>;
  if (job.data) return <Known job={job.data} look={look} change={change} />;
  return (
    <Page title={text.run.loading} above={above}>
      <Missing of={job} />
    </Page>
  );
}

function Known({ job, look, change }: { job: JobDetail } & Omit<Props, "id">) {
  const live = useCurves(useMemo(() => [job.id], [job.id]));
  const view = look.view ?? "curves";
  const list = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: on a phone the chosen tab may lie outside the window
  useEffect(() => {
    list.current?.querySelector("[data-active]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [view]);
  return (
    <Page
      title={job.name}
      above={<Link to="/runs">{text.runs.title}</Link>}
      about={
        <>
          <StateTag state={job.status} />{" "}
          {text.run.about(text.names.tasks[job.task] ?? job.task, job.strategy, job.model_name, job.dataset)}
        </>
      }
      actions={<Actions job={job} />}
    >
      <Progressed job={job} />
      <Outcome job={job} />
      <Tabs
        value={view}
        onChange={(to) => change({ view: VIEWS.find((each) => each === to) })}
        keepMounted={false}
        className={classes.views}
      >
        <Tabs.List ref={list} aria-label={text.run.views.label} className={classes.tabs}>
          {VIEWS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {text.run.views[each]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="curves">
          <CurvesView job={job} live={live} look={look} change={change} />
        </Tabs.Panel>
        <Tabs.Panel value="results">
          <ResultsView job={job} />
        </Tabs.Panel>
        <Tabs.Panel value="samples">
          <SamplesView id={job.id} />
        </Tabs.Panel>
        <Tabs.Panel value="history">
          <HistoryView job={job} />
        </Tabs.Panel>
        <Tabs.Panel value="settings">
          <SettingsView job={job} />
        </Tabs.Panel>
        <Tabs.Panel value="log">
          <LogView id={job.id} look={look} change={change} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
