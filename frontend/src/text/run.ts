import { count } from "../ui/format";

export const run = {
  loading: "Run",
  about: (task: string, strategy: string, model: string, data: string) =>
    `${task}, ${strategy}: ${model} learns from ${data}`,
  progress: "Progress",
  step: (step: number, of: number) => `Step ${count(step)} of ${count(of)}`,
  epoch: (epoch: number, of: number) => `pass ${count(epoch)} of ${count(of)}`,
  attempt: (attempt: number) => `attempt ${count(attempt)}`,
  left: (time: string) => `about ${time} left`,
  took: (time: string) => `took ${time}`,
  queued: (position: number) => (position === 1 ? "next to start" : `number ${count(position)} in the queue`),
  stalled: "The training has not reported anything for a while. It may still be busy with one long step.",

  stop: "Stop",
  cancel: "Cancel",
  force: {
    action: "Stop at once",
    title: "Stop without saving?",
    detail: (saved: number) =>
      saved === 0
        ? "Nothing of this run is saved yet: all that it has learned is lost. “Stop” saves first."
        : `What it has learned since step ${count(saved)} is lost. “Stop” saves first.`,
  },
  stopping: "Stopping: it finishes the current step and saves a checkpoint.",
  stopped: "The run was stopped. It can be resumed.",
  resumed: "The run continues.",
  clone: "Clone",
  change: "Clone with changes",
  copies: "Its request, to copy",

  outcome: {
    failed: "The run failed",
    stopped: "The run was stopped",
    interrupted: "The run was interrupted",
  },
  causes: {
    oom_gpu: "The GPU ran out of memory.",
    oom_host: "This machine ran out of memory.",
    disk_full: "The disk is full.",
    bad_data: "The model cannot learn from this data as it is.",
    nan_loss: "The numbers grew out of bounds. The learning rate was probably too high.",
    killed: "Something outside ModelForge ended it.",
    server_restart: "The server stopped while it was training.",
    user: "You, or someone else who uses this server, asked for it.",
    error: "ModelForge has no advice for this error.",
  },
  details: "Details",
  exit: (code: number) => `The worker ended with exit code ${code}.`,
  signal: (name: string) => `The worker was ended by ${name}.`,
  tail: "Last lines of the log",
  fixes: {
    label: "What can be done",
    resume: (step: number) => (step === 0 ? "Resume from the beginning" : `Resume from step ${count(step)}`),
    taken: "Another run is under way: this one can be resumed when that has ended.",
    data: "Look at the data",
    batch: (size: number) => `Start again with a batch size of ${count(size)}`,
    checkpointing: "Start again with gradient checkpointing",
    length: (tokens: number) => `Start again with at most ${count(tokens)} tokens per row`,
    rate: (rate: string) => `Start again with a learning rate of ${rate}`,
  },

  views: {
    label: "About this run",
    curves: "Curves",
    results: "Results",
    samples: "Samples",
    history: "History",
    settings: "Settings",
    log: "Log",
  },
  chart: {
    loss: "Loss",
    aboutLoss:
      "How wrong the model is; lower is better. The training loss should fall quickly at first, then slowly. If the held-out loss rises while the training loss falls, the model is memorizing its data: stop earlier, or use fewer epochs.",
    about: (title: string) => `About ${title}`,
    csv: "Download as CSV",
    waiting: "No measurements yet.",
    step: (step: number) => `Step ${count(Math.round(step))}`,
    scale: "Scale",
    linear: "Linear",
    log: "Logarithmic",
    smoothing: "Smoothing",
    smoothings: { none: "None", some: "Some", much: "Much" },
    all: "Show all steps",
    hint: "Drag across a chart to zoom in; on the keyboard, the arrow keys read its values.",
    loading: "Loading earlier measurements.",
    choices: "How the charts are drawn",
  },
  results: {
    says: "What it says",
    measured: "What was measured",
    none: {
      title: "No results yet",
      detail:
        "When the training is done, the new model and the one it started from are measured on the same rows.",
    },
  },
  samples: {
    before: "Before",
    expected: "Your data says",
    nothing: "(nothing)",
    earlier: (answers: number) =>
      answers === 1 ? "Show 1 earlier answer" : `Show ${count(answers)} earlier answers`,
    reward: (reward: string) => `Reward ${reward}`,
    none: {
      title: "No samples yet",
      detail:
        "A model that writes text answers a few held-out prompts before the first step and as it learns. Its answers appear here.",
    },
  },
  history: { when: "When", attempt: "Attempt", what: "What happened" },
  settings: {
    name: "Setting",
    value: "Value",
    detail: "Every setting of this run, defaults included, as fixed before the first step.",
  },
  log: {
    none: { title: "The log is empty", detail: "What the training process writes appears here." },
    label: "Log",
    earlier: (lines: number) => `Show ${count(lines)} earlier lines`,
    follow: "Follow new lines",
    find: "Find lines",
    found: (found: number, of: number) => `${count(found)} of ${count(of)} lines`,
  },
  where: "Its files are in",
};
