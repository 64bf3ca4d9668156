import { count } from "../ui/format";

export const playground = {
  title: "Playground",
  about: "Ask a model, and the same of what it was before.",
  none: {
    title: "No model of yours yet",
    detail:
      "A completed run makes one; the demo on Home takes a minute. Until then, ask the small model that comes with ModelForge, or any other by its name.",
  },
  choose: {
    label: "Model",
    yours: "Trained here",
    bases: "Not trained here",
    other: "Another model…",
    none: "Choose a model",
    run: (id: string) => `Run ${id}`,
  },
  other: {
    label: "Hub id or folder",
    task: "Task",
    open: "Open",
  },
  beside: {
    legend: "Compare with",
    base: (name: string) => `${name}, before training`,
    checkpoint: (step: number) => `Checkpoint at step ${count(step)}`,
  },
  label: {
    base: (name: string) => `${name} (before)`,
    checkpoint: (step: number) => `Step ${count(step)}`,
    newest: (name: string) => `${name} (newest checkpoint)`,
  },
  suggestions: "Try a question from your data",
  log: "Questions and answers",
  ask: {
    chat: "Your question",
    hint: "Enter sends, Shift+Enter breaks the line.",
    long: "Ctrl+Enter sends.",
    send: "Send",
    summarize: "Summarize",
    text: "Text to summarize",
    context: "Text that holds the answer",
    question: "Question",
    find: "Find the answer",
    stop: "Stop",
    again: "Ask again",
    clear: "Clear",
  },
  sampling: {
    title: "How it answers",
    fields: {
      temperature: "Temperature",
      top_p: "Top p",
      max_new_tokens: "Tokens at most",
      seed: "Seed",
    },
    remembers: "Remember the conversation",
    remembersAbout:
      "The model sees what was asked and answered before. A model that was trained on single questions answers best without.",
    system: "Instruction",
    systemAbout: "Told to the model before the first question, if anything stands here.",
    reset: "Reset",
  },
  you: "You",
  phases: {
    asked: "Asking…",
    waiting: (position: number | null) =>
      position === null ? "Waiting for its turn…" : `Waiting: number ${count(position)} in line…`,
    loading: "Loading the model…",
    answering: "Reading the question…",
    stopped: "Stopped.",
  },
  ended: {
    stop: "",
    length: "Cut off at the token limit.",
    timeout: "Cut off at the time limit.",
  },
  figures: (tokens: number, time: string, rate: string) =>
    `${count(tokens)} ${tokens === 1 ? "token" : "tokens"} in ${time}, ${rate} a second`,
  nothing: "The model said nothing.",
  score: (share: string) => `How sure it is: ${share}`,
  noAnswer: "It finds no answer in the text.",
  cut: {
    title: "The answer broke off",
    detail: "The connection ended before the answer did. Look whether the server still runs, and ask again.",
  },
};
