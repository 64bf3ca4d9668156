import { describe, expect, it } from "vitest";
import { ASKED, CutOff, heard, isOpen, refused, stopped, type Told, told } from "./answer";

const REPLY = {
  generated_text: "Blue is a colour.",
  tokens_generated: 5,
  generation_time_ms: 40,
  answer_start: null,
  score: null,
  finish_reason: "stop" as const,
};

const EVENTS: Told[] = [
  { event: "started", data: { phase: "waiting", position: 2 } },
  { event: "started", data: { phase: "loading", position: null } },
  { event: "token", data: { text: "Blue is" } },
  { event: "token", data: { text: " a colour." } },
  { event: "done", data: REPLY },
];

function sent(events: Told[]): ReadableStream<Uint8Array> {
  const all = events.map(({ event, data }) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join("");
  return new Blob([all]).stream();
}

describe("an answer", () => {
  it("joins its pieces", () => {
    const stages = EVENTS.map((_, at) => EVENTS.slice(0, at + 1).reduce(heard, ASKED));
    expect(stages.map(({ phase, text }) => [phase, text])).toEqual([
      ["waiting", ""],
      ["loading", ""],
      ["answering", "Blue is"],
      ["answering", "Blue is a colour."],
      ["done", "Blue is a colour."],
    ]);
    expect(stages[0]?.position).toBe(2);
    expect(stages[4]?.reply).toEqual(REPLY);
    expect(stages.map(isOpen)).toEqual([true, true, true, true, false]);
  });

  it("keeps what came before it was stopped or refused", () => {
    const half = EVENTS.slice(0, 3).reduce(heard, ASKED);
    expect(stopped(half)).toMatchObject({ phase: "stopped", text: "Blue is" });
    const refusal = { error: "Not found", detail: "there is no model 9" };
    expect(refused(half, refusal)).toMatchObject({ phase: "refused", text: "Blue is", refusal });
  });

  it("is read to its end", async () => {
    const read: Told[] = [];
    for await (const each of told(sent(EVENTS))) read.push(each);
    expect(read).toEqual(EVENTS);
  });

  it("that has no end broke off", async () => {
    const reading = async () => {
      for await (const _ of told(sent(EVENTS.slice(0, 3))));
    };
    await expect(reading()).rejects.toThrow(CutOff);
  });
});
