import { describe, expect, it } from "vitest";
import { eventsOf, type ServerEvent } from "./events";

function streamOf(...pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

async function read(stream: ReadableStream<Uint8Array>): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of eventsOf(stream)) events.push(event);
  return events;
}

const WHOLE =
  'event: token\ndata: {"text":"Grüß 你好 🙂"}\n\n: alive\n\nevent:done\r\ndata: a\r\ndata: b\r\n\r\ndata\n\n';
const EVENTS = [
  { event: "token", data: '{"text":"Grüß 你好 🙂"}' },
  { event: "done", data: "a\nb" },
  { event: "message", data: "" },
];

describe("eventsOf", () => {
  it("reads events, and passes over comments", async () =>
    expect(await read(streamOf(new TextEncoder().encode(WHOLE)))).toEqual(EVENTS));

  it.each([1, 2, 3, 7])("reads pieces of %i bytes", async (size) => {
    const bytes = new TextEncoder().encode(WHOLE);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.slice(at * size, (at + 1) * size),
    );
    expect(await read(streamOf(...pieces))).toEqual(EVENTS);
  });

  it("leaves out what was cut off", async () =>
    expect(await read(streamOf(new TextEncoder().encode("data: whole\n\ndata: ha")))).toEqual([
      { event: "message", data: "whole" },
    ]));

  it("cancels the stream when nobody reads on", async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("data: more\n\n")),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const _ of eventsOf(stream)) break;
    expect(cancelled).toBe(true);
  });
});
