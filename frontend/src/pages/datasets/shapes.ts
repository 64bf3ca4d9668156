/** What rows of each shape are made of, and what a model can learn from them: the contract's table of datasets. */
export const SHAPES: Record<string, { fields: string[]; optional?: string[] }> = {
  input_output: { fields: ["input", "output"] },
  context_question_answer: { fields: ["context", "question", "answer"] },
  prompt_chosen_rejected: { fields: ["prompt", "chosen", "rejected"] },
  messages: { fields: ["user", "assistant"], optional: ["system"] },
  text: { fields: ["text"] },
};
