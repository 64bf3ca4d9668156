export const measures = {
  heldOut: "Measured on rows that it did not learn from: what it was trained from, and what came of it.",
  learnt:
    "Measured on some of the rows that it learnt from, for none were held out. What it says of other questions, these figures do not tell.",
  label: "Before and after",
  measure: "Measure",
  before: "Before",
  after: "After",
  change: "Change",
  none: "The run measured nothing that can be set beside what it started from.",
  also: "Also measured",
};

const NAMES: Record<string, string> = {
  loss: "Training loss",
  eval_loss: "Loss on held-out rows",
  final_loss: "Final loss",
  train_loss: "Loss on training rows",
  perplexity: "Perplexity",
  eval_token_accuracy: "Tokens predicted right",
  rouge1: "ROUGE-1",
  rouge2: "ROUGE-2",
  rougeL: "ROUGE-L",
  f1: "F1",
  reward_accuracy: "Preferred answers told apart",
  kl: "KL divergence from its start",
  learning_rate: "Learning rate",
  grad_norm: "Gradient norm",
  tokens_per_second: "Tokens per second",
  train_tokens: "Tokens trained on",
  train_seconds: "Training time (s)",
  memory_mb: "Memory (MB)",
  peak_memory_mb: "Peak memory (MB)",
  estimated_memory_mb: "Estimated memory (MB)",
  time_to_first_step_s: "Time to the first step (s)",
};

/** A measure's name for people: `Reward margin` for `reward_margin`. */
export function measureName(name: string): string {
  const words = name.replaceAll("_", " ");
  return NAMES[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}
