import { count } from "../ui/format";

export const runs = {
  title: "Runs",
  all: "All runs",
  none: {
    title: "No runs yet",
    detail: "A run teaches a model what stands in your data. Begin with the demo on the first page.",
  },
  filter: "Filter",
  filterHint: "Name, model, data or method",
  state: "State",
  anyState: "Any state",
  noneLeft: {
    title: "No run is like that",
    detail: "Change the filter, or clear it to see all runs.",
  },
  clear: "Clear the filter",
  found: (found: number, total: number) =>
    found === total
      ? `${count(total)} ${total === 1 ? "run" : "runs"}`
      : `${count(found)} of ${count(total)} runs`,
  more: (runs: number) => `Show ${count(runs)} more`,
  table: {
    choose: "Choose",
    name: "Run",
    state: "State",
    model: "Model",
    data: "Data",
    strategy: "Method",
    loss: "Loss",
    created: "Asked for",
    duration: "Took",
  },
  chooseOne: (name: string) => `Choose ${name}`,
  compare: (runs: number) => (runs < 2 ? "Compare" : `Compare ${count(runs)} runs`),
  compareHint: "Choose two runs or more to compare them.",
  progress: (per: number) => `${count(Math.round(per))} %`,
  queue: {
    title: "Queue",
    entered: "The run is in the queue.",
    position: "Place",
    actions: "Change",
    up: (name: string) => `Move ${name} up`,
    down: (name: string) => `Move ${name} down`,
    cancel: (name: string) => `Cancel ${name}`,
    moved: (place: number) => `It is number ${count(place)} in the queue now.`,
  },
  comparison: {
    title: "Compare runs",
    all: "All runs",
    few: {
      title: "Nothing to compare",
      detail: "Choose two runs or more in the table of runs, then compare them.",
    },
    curves: "Curves",
    differ: "Settings that differ",
    same: "All settings are the same.",
    measured: "What was measured",
    setting: "Setting",
    unset: "not set",
    beforeAfter: (before: string, after: string) => `${before} → ${after}`,
    legend: "Each measure as before the training → after it, on the same rows.",
  },
};
