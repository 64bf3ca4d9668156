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
  eval_loss: "Held-out loss",
  final_loss: "Final loss",
  train_loss: "Loss on training rows",
  perplexity: "Perplexity",
  token_accuracy: "Training token accuracy",
  eval_token_accuracy: "Held-out token accuracy",
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

const ABOUTS: Record<string, string> = {
  loss: "How wrong the model is on the rows it learns from; lower is better. It should fall quickly at first, then slowly.",
  eval_loss:
    "The loss on rows that the model does not learn from; lower is better. If it rises while the training loss falls, the model is memorizing its data.",
  learning_rate:
    "How large the steps are in which the model learns. Usually it rises during a short warm-up, then falls to the end: that is planned, and says nothing about success.",
  grad_norm:
    "How strongly the latest rows pull on the model. Jumps are normal; if it keeps growing, the learning rate is probably too high.",
  tokens_per_second:
    "How fast the training goes; higher is faster. It should stay level. A lasting drop means that something else is using the machine.",
  memory_mb:
    "Memory that the training uses. It should level off early. If it comes close to what your GPU or machine has, use a smaller batch size.",
  token_accuracy: "The share of tokens that the model would have guessed right; higher is better.",
  eval_token_accuracy: "The share of tokens in held-out rows that the model guesses right; higher is better.",
  reward_accuracy:
    "How often the model rates the preferred answer above the rejected one. It starts near 0.5 and should rise.",
  kl: "How far the model has moved from the one it started with. It should grow slowly; a steep rise often means worse text.",
};

/** What a measure is and what is good, for who never saw one; nothing where its name is all that is known. */
export function measureAbout(name: string): string | undefined {
  return ABOUTS[name];
}

/** A measure's name for people: `Reward margin` for `reward_margin`. */
export function measureName(name: string): string {
  const words = name.replaceAll("_", " ");
  return NAMES[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}
