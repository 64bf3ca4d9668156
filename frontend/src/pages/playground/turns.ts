import { type Answer, isOpen } from "./answer";

export interface Turn {
  id: number;
  prompt: string;
  context: string | null;
  answers: (Answer & { side: string; label: string })[];
}

/** Characters that are kept of a conversation: browsers give a tab some five million. */
const KEPT = 2_000_000;

const nameOf = (conversation: string) => `modelforge-chat:${conversation}`;

/** What this tab has of a conversation. An answer that was still coming when the page was left is a stopped one. */
export function recall(conversation: string): Turn[] {
  const kept = JSON.parse(sessionStorage.getItem(nameOf(conversation)) ?? "[]") as Turn[];
  return kept.map((turn) => ({
    ...turn,
    answers: turn.answers.map((each) => (isOpen(each) ? { ...each, phase: "stopped" } : each)),
  }));
}

export function keep(conversation: string, turns: readonly Turn[]): void {
  sessionStorage.setItem(nameOf(conversation), JSON.stringify(newest(turns, KEPT)));
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
