import { eventsOf } from "../../api/events";
import type { ErrorReply, GenerateReply, GenerationStarted, GenerationToken } from "../../api/schema";

export interface Answer {
  phase: "asked" | GenerationStarted["phase"] | "done" | "stopped" | "refused";
  /** Its place among those that wait. */
  position: number | null;
  text: string;
  reply: GenerateReply | null;
  refusal: Pick<ErrorReply, "error" | "detail"> | null;
}

/** One event of a streamed answer, with the data that its name promises. */
export type Told =
  | { event: "started"; data: GenerationStarted }
  | { event: "token"; data: GenerationToken }
  | { event: "done"; data: GenerateReply }
  | { event: "error"; data: ErrorReply };

export const ASKED: Answer = { phase: "asked", position: null, text: "", reply: null, refusal: null };

/** The answer as far as it came with this event. */
export function heard(answer: Answer, told: Told): Answer {
  switch (told.event) {
    case "started":
      return { ...answer, phase: told.data.phase, position: told.data.position };
    case "token":
      return { ...answer, phase: "answering", text: answer.text + told.data.text };
    case "done":
      return { ...answer, phase: "done", text: told.data.generated_text, reply: told.data };
    case "error":
      return refused(answer, told.data);
  }
}

/** The answer that was stopped: what came of it stays. */
export function stopped(answer: Answer): Answer {
  return { ...answer, phase: "stopped" };
}

/** The answer that ended by an error. */
export function refused(answer: Answer, refusal: NonNullable<Answer["refusal"]>): Answer {
  return { ...answer, phase: "refused", refusal };
}

export function isOpen({ phase }: Answer): boolean {
  return phase !== "done" && phase !== "stopped" && phase !== "refused";
}

/** A stream ended before its answer did. */
export class CutOff extends Error {}

/** The events of a streamed answer. Throws CutOff. */
export async function* told(stream: ReadableStream<Uint8Array>): AsyncGenerator<Told> {
  for await (const { event, data } of eventsOf(stream)) {
    const each = { event, data: JSON.parse(data) } as Told;
    yield each;
    if (each.event === "done" || each.event === "error") return;
  }
  throw new CutOff();
}
