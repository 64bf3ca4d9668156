import type { ChatMessage } from "../../api/schema";
import { keep, recall } from "../../ui/kept";
import { type Answer, isOpen } from "./answer";

export interface Turn {
  id: number;
  prompt: string;
  context: string | null;
  answers: (Answer & { side: string; label: string })[];
}

/** Characters that are kept of a conversation: browsers give a tab some five million. */
const KEPT = 2_000_000;

const nameOf = (conversation: string) => `chat:${conversation}`;

/** What this tab has of a conversation. An answer that was still coming when the page was left is a stopped one. */
export function turnsOf(conversation: string): Turn[] {
  const kept = recall(nameOf(conversation));
  if (!Array.isArray(kept)) return [];
  return (kept as Turn[]).map((turn) => ({
    ...turn,
    answers: turn.answers.map((each) => (isOpen(each) ? { ...each, phase: "stopped" } : each)),
  }));
}

export function keepTurns(conversation: string, turns: readonly Turn[]): void {
  keep(nameOf(conversation), newest(turns, KEPT));
}

/** What was said to one side and answered, for the next question; what was stopped or refused is left out. */
export function saidTo(side: string, turns: readonly Turn[]): ChatMessage[] {
  return turns.flatMap(({ prompt, answers }) => {
    const answer = answers.find((each) => each.side === side && each.phase === "done");
    if (answer === undefined) return [];
    return [
      { role: "user", content: prompt },
      { role: "assistant", content: answer.text },
    ] satisfies ChatMessage[];
  });
}

/** The last turns that together have at most so many characters in JSON. */
export function newest(turns: readonly Turn[], characters: number): readonly Turn[] {
  let left = characters;
  let from = turns.length;
  while (from > 0) {
    left -= JSON.stringify(turns[from - 1]).length;
    if (left < 0) break;
    from -= 1;
  }
  return turns.slice(from);
}
