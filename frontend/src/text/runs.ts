import { count } from "../ui/format";

export const runs = {
  title: "Runs",
  all: "All runs",
  none: {
    title: "No runs yet",
    detail: "A run teaches a model from your data. Start with the demo on the home page.",
  },
  filter: "Filter",
  filterHint: "Name, model, data or method",
  state: "State",
  anyState: "Any state",
  noneLeft: {
    title: "No matching runs",
    detail: "Change the filter, or clear it to see all runs.",
  },
  clear: "Clear the filter",
  found: (found: number, total: number) =>
    found === total
      ? `${count(total)} ${total === 1 ? "run" : "runs"}`
      : `${count(found)} of ${count(total)} runs`,
  more: (runs: number) => `Show ${count(runs)} more`,
  table: {
    choose: "Select",
    name: "Run",
    state: "State",
    model: "Model",
    data: "Data",
    strategy: "Method",
    loss: "Loss",
    created: "Created",
    duration: "Duration",
  },
  chooseOne: (name: string) => `Select ${name}`,
  compare: (runs: number) => (runs < 2 ? "Compare" : `Compare ${count(runs)} runs`),
  compareHint: "Select two or more runs to compare them.",
  progress: (per: number) => `${count(Math.round(per))} %`,
  queue: {
    title: "Queue",
    entered: "The run is in the queue.",
    position: "Position",
    actions: "Change",
    up: (name: string) => `Move ${name} up`,
    down: (name: string) => `Move ${name} down`,
    cancel: (name: string) => `Cancel ${name}`,
    moved: (place: number) => `It is now number ${count(place)} in the queue.`,
  },
  comparison: {
    title: "Compare runs",
    all: "All runs",
    few: {
      title: "Nothing to compare",
      detail: "Select two or more runs in the table of runs, then compare them.",
    },
    curves: "Curves",
    differ: "Settings that differ",
    same: "All settings are the same.",
    measured: "Measurements",
    setting: "Setting",
    unset: "not set",
    beforeAfter: (before: string, after: string) => `${before} → ${after}`,
    legend: "Before training → after training, on the same rows.",
  },
};
