import { count } from "../ui/format";

export const home = {
  title: "Home",
  now: "Running now",
  idle: {
    title: "Nothing is running",
    detail:
      "A run teaches a model from your data. It appears here as soon as it starts, and continues when you close this page.",
  },
  step: (step: number, of: number) => `Step ${count(step)} of ${count(of)}`,
  left: (time: string) => `about ${time} left`,
  stop: "Stop",
  stalled: "The training has not reported anything for a while.",
  waiting: (jobs: number) =>
    jobs === 1 ? "1 more run waits in the queue." : `${count(jobs)} more runs wait in the queue.`,
  begin: "Get started",
  demo: {
    title: "Try the demo",
    detail:
      "Teach the small model that comes with ModelForge 199 questions to a maker of bicycle lamps. It takes minutes on any machine and needs no network.",
    action: "Start the demo",
    started: "The demo has started. The small model is learning now.",
  },
  upload: {
    title: "Bring your data",
    detail:
      "A spreadsheet, CSV, JSON or text file with at least ten examples. You see at once what is wrong with it and what can be fixed.",
    action: "Open datasets",
  },
  resume: {
    title: "Continue a run",
    detail: (name: string) =>
      `“${name}” ended before it was done. It continues from its last checkpoint, if there is one.`,
    none: "A run that was stopped or failed can be continued here from its last checkpoint.",
    action: "Continue",
  },
  results: "Latest results",
  noResults: {
    title: "No results yet",
    detail: "When a run has ended, its result appears here.",
  },
  table: { name: "Run", state: "State", data: "Data", loss: "Loss", ended: "Ended" },
};
