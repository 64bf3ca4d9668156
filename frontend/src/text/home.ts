import { count } from "../ui/format";

export const home = {
  title: "Home",
  now: "Running now",
  idle: {
    title: "Nothing runs",
    detail:
      "A run teaches a model what stands in your data. It appears here as soon as it starts, and goes on when you close this page.",
  },
  step: (step: number, of: number) => `Step ${count(step)} of ${count(of)}`,
  left: (time: string) => `about ${time} left`,
  loss: "Loss",
  evalLoss: "Loss on held-out rows",
  rate: "Learning rate",
  stop: "Stop",
  stalled: "The worker has been silent for longer than it should.",
  waiting: (jobs: number) =>
    jobs === 1 ? "1 more run waits in the queue." : `${count(jobs)} more runs wait in the queue.`,
  begin: "Begin",
  demo: {
    title: "Try the demo",
    detail:
      "Teach the small model that came along 199 questions to a maker of bicycle lamps. It takes minutes on any machine, and no network.",
    action: "Start the demo",
    started: "The demo has started. The small model is learning now.",
  },
  upload: {
    title: "Bring your data",
    detail:
      "A spreadsheet, CSV, JSON or text with at least ten examples. You see at once what is wrong with it and what can be mended.",
    action: "Open datasets",
  },
  resume: {
    title: "Continue a run",
    detail: (name: string) => `“${name}” ended before it was done. It goes on from its last checkpoint.`,
    none: "A run that was stopped, or that failed, can be taken up again here from its last checkpoint.",
    action: "Continue",
  },
  results: "Last results",
  noResults: {
    title: "No results yet",
    detail: "When a run has ended, its model and what was measured with it stand here.",
  },
  table: { name: "Run", state: "State", data: "Data", loss: "Final loss", ended: "Ended" },
};
