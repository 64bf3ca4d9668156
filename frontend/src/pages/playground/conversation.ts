import { useCallback, useEffect, useRef, useState } from "react";
import { api, body, Refusal } from "../../api/client";
import type { ChatMessage, GenerateRequest } from "../../api/schema";
import { text } from "../../text";
import { type Answer, ASKED, CutOff, heard, refused, stopped, told } from "./answer";
import type { Side } from "./sides";
import { keepTurns, saidTo, type Turn, turnsOf } from "./turns";

export type Question = Pick<Turn, "prompt" | "context">;
export type Sampling = Pick<GenerateRequest, "temperature" | "top_p" | "max_new_tokens" | "seed">;

/** What goes before a question. */
export interface Memory {
  /** Whether the model sees what was said before. */
  remembers?: boolean;
  /** What the system says to the model first. */
  system?: string;
}

const KEEP_MS = 300;

/** Questions, and the answers of all sides as they come. What `name` says is kept in this tab. */
export function useConversation(name: string) {
  const [turns, setTurns] = useState<readonly Turn[]>(() => turnsOf(name));
  const [asking, setAsking] = useState<AbortController | null>(null);
  const last = useRef(turns);
  last.current = turns;

  useEffect(() => {
    const timer = setTimeout(() => keepTurns(name, turns), KEEP_MS);
    return () => clearTimeout(timer);
  }, [name, turns]);

  useEffect(() => {
    const leave = () => keepTurns(name, last.current);
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      leave();
    };
  }, [name]);

  useEffect(() => () => asking?.abort(), [asking]);

  const ask = useCallback(
    async (
      question: Question,
      sides: readonly Side[],
      sampling: Sampling,
      memory: Memory,
      instead?: Turn,
    ) => {
      const before = last.current.filter((turn) => turn.id !== instead?.id);
      const abort = new AbortController();
      const id = (last.current.at(-1)?.id ?? 0) + 1;
      const answers = sides.map(({ key, label }) => ({ ...ASKED, side: key, label }));
      setAsking(abort);
      setTurns([...before, { id, ...question, answers }]);

      const change = (side: Side, to: (answer: Answer) => Answer) =>
        setTurns((before) =>
          before.map((turn) =>
            turn.id === id
              ? {
                  ...turn,
                  answers: turn.answers.map((each) =>
                    each.side === side.key ? { ...each, ...to(each) } : each,
                  ),
                }
              : turn,
          ),
        );
      await Promise.all(
        sides.map(async (side) => {
          try {
            const stream = await generated(
              { ...question, ...sampling, ...side.target, messages: messagesFor(side, before, memory) },
              abort.signal,
            );
            for await (const each of told(stream)) change(side, (answer) => heard(answer, each));
          } catch (error) {
            change(side, (answer) => ended(answer, error));
          }
        }),
      );
      setAsking((now) => (now === abort ? null : now));
    },
    [],
  );

  return {
    turns,
    busy: asking !== null,
    ask,
    stop: () => asking?.abort(),
    clear: () => setTurns([]),
  };
}

function messagesFor(
  side: Side,
  turns: readonly Turn[],
  { remembers, system }: Memory,
): ChatMessage[] | null {
  const first: ChatMessage[] = system?.trim() ? [{ role: "system", content: system }] : [];
  const messages = [...first, ...(remembers ? saidTo(side.key, turns) : [])];
  return messages.length > 0 ? messages : null;
}

async function generated(request: GenerateRequest, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const stream = await body(api.POST("/api/playground/stream", { body: request, signal, parseAs: "stream" }));
  if (stream === null) throw new CutOff();
  return stream;
}

/** The answer whose request ended by this error. */
function ended(answer: Answer, error: unknown): Answer {
  if (error instanceof DOMException && error.name === "AbortError") return stopped(answer);
  if (error instanceof Refusal) return refused(answer, { error: error.title, detail: error.detail });
  // Browsers have their own words for a connection that breaks while it is read.
  const { title, detail } = text.playground.cut;
  return refused(answer, { error: title, detail });
}
