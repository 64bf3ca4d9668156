import { count } from "../ui/format";

export const run = {
  loading: "Run",
  about: (task: string, strategy: string, model: string, data: string) =>
    `${task} by ${strategy}: ${model} learns ${data}`,
  progress: "Progress",
  step: (step: number, of: number) => `Step ${count(step)} of ${count(of)}`,
  epoch: (epoch: number, of: number) => `pass ${count(epoch)} of ${count(of)}`,
  attempt: (attempt: number) => `attempt ${count(attempt)}`,
  left: (time: string) => `about ${time} left`,
  took: (time: string) => `took ${time}`,
  queued: (position: number) =>
    position === 1 ? "It is the next one to start." : `It is number ${count(position)} in the queue.`,
  stalled: "The worker has been silent for longer than it should. It may still be busy with one long step.",

  stop: "Stop",
  cancel: "Cancel",
  force: "Stop at once",
  stopping: "Stopping: the worker finishes its step and saves a checkpoint.",
  stopped: "The run was stopped. It can be resumed.",
  resumed: "The run goes on.",
  clone: "Clone",
  change: "Clone with changes",
  copies: "Its request, to copy",

  outcome: {
    failed: "The run failed",
    stopped: "The run was stopped",
    interrupted: "The run was interrupted",
  },
  causes: {
    oom_gpu: "The memory of the GPU was too small for it.",
    oom_host: "The memory of this machine was too small for it.",
    disk_full: "The disk is full.",
    bad_data: "Its data cannot be learnt from as it is.",
    nan_loss: "Its numbers grew beyond all bounds: it learnt in steps that were too large.",
    killed: "Something ended its worker from outside.",
    server_restart: "The server ended while it ran.",
    user: "You, or somebody else who uses this server, asked for it.",
    error: "Something went wrong that ModelForge has no advice for.",
  },
  details: "Details",
  exit: (code: number) => `The worker ended with exit code ${code}.`,
  signal: (name: string) => `The worker was ended by ${name}.`,
  tail: "Last lines of the log",
  fixes: {
    label: "What can be done",
    resume: (step: number) => (step === 0 ? "Resume from the beginning" : `Resume from step ${count(step)}`),
    data: "Look at the data",
    batch: (size: number) => `Start again with a batch of ${count(size)}`,
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
    waiting: "Nothing is measured yet.",
    step: (step: number) => `Step ${count(Math.round(step))}`,
    scale: "Scale",
    linear: "Linear",
    log: "Logarithmic",
    smoothing: "Smoothing",
    smoothings: { none: "None", some: "Some", much: "Much" },
    all: "Show all steps",
    hint: "Drag over a part of a curve to look at it closely; the arrow keys read its values.",
    loading: "What was measured before is being loaded.",
    choices: "How the curves are drawn",
  },
  results: {
    none: {
      title: "Nothing is measured yet",
      detail:
        "When the training has ended, the model and what it was trained from are measured on the same rows.",
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
        "Models that write are asked a few held-out prompts before the first step and as they learn; what they say stands here.",
    },
  },
  history: { when: "When", attempt: "Attempt", what: "What happened" },
  settings: {
    name: "Setting",
    value: "Value",
    detail: "With every default that was filled in, as it was frozen before the first step.",
  },
  log: {
    none: { title: "The log is empty", detail: "What the worker writes stands here." },
    label: "Log",
    earlier: (lines: number) => `Show ${count(lines)} earlier lines`,
    follow: "Follow the end",
  },
  where: "Its files lie in",
};
