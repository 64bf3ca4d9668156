import { useCallback, useEffect, useRef, useState } from "react";
import { api, body, Refusal } from "../../api/client";
import type { GenerateRequest } from "../../api/schema";
import { text } from "../../text";
import { type Answer, ASKED, CutOff, heard, refused, stopped, told } from "./answer";
import type { Side } from "./sides";
import { keep, recall, type Turn } from "./turns";

export type Question = Pick<Turn, "prompt" | "context">;
export type Sampling = Pick<GenerateRequest, "temperature" | "top_p" | "max_new_tokens" | "seed">;

const KEEP_MS = 300;

/** Questions, and the answers of all sides as they come. What `name` says is kept in this tab. */
export function useConversation(name: string) {
  const [turns, setTurns] = useState<readonly Turn[]>(() => recall(name));
  const [asking, setAsking] = useState<AbortController | null>(null);
  const last = useRef(turns);
  last.current = turns;

  useEffect(() => {
    const timer = setTimeout(() => keep(name, turns), KEEP_MS);
    return () => clearTimeout(timer);
  }, [name, turns]);

  useEffect(() => {
    const leave = () => keep(name, last.current);
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      leave();
    };
  }, [name]);

  useEffect(() => () => asking?.abort(), [asking]);

  const ask = useCallback(async (question: Question, sides: readonly Side[], sampling: Sampling) => {
    const abort = new AbortController();
    const id = (last.current.at(-1)?.id ?? 0) + 1;
    const answers = sides.map(({ key, label }) => ({ ...ASKED, side: key, label }));
    setAsking(abort);
    setTurns((before) => [...before, { id, ...question, answers }]);

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
          const stream = await generated({ ...question, ...sampling, ...side.target }, abort.signal);
          for await (const each of told(stream)) change(side, (answer) => heard(answer, each));
        } catch (error) {
          change(side, (answer) => ended(answer, error));
        }
      }),
    );
    setAsking((now) => (now === abort ? null : now));
  }, []);

  const forget = useCallback((turn: Turn) => {
    setTurns((before) => before.filter(({ id }) => id !== turn.id));
  }, []);

  return {
    turns,
    busy: asking !== null,
    ask,
    stop: () => asking?.abort(),
    forget,
    clear: () => setTurns([]),
  };
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
