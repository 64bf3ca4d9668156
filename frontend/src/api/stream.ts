import { useEffect, useSyncExternalStore } from "react";
import { key } from "./key";
import { root } from "./root";
import type { MetricPoint, TrainingStatus } from "./schema";

/** One message of `/ws/training`: the state, and what was measured since the message before. */
export type StreamMessage = TrainingStatus & { points: MetricPoint[] };

type Listener = (message: StreamMessage) => void;

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/**
 * The one WebSocket of this tab. It opens with the first listener, comes back by itself, and asks then for all that
 * came after the last message, so that nothing is lost and nothing is asked for twice.
 */
class Stream {
  private readonly listeners = new Set<Listener>();
  private readonly watchers = new Set<() => void>();
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wait = FIRST_WAIT;
  private seq: number | null = null;
  private newest: StreamMessage | null = null;
  lost = false;

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.open();
    // As on connect: how things stand comes first.
    else if (this.newest !== null && !this.lost) listener({ ...this.newest, points: [] });
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.close();
    };
  }

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  private open(): void {
    const after = this.seq === null ? "" : `?after=${this.seq}`;
    const address = new URL(`${root}/ws/training${after}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const known = key();
    const socket = new WebSocket(address, known ? ["modelforge", `modelforge.bearer.${known}`] : []);
    this.socket = socket;
    socket.onmessage = (event) => {
      this.wait = FIRST_WAIT;
      this.say(false);
      const message = JSON.parse(event.data) as StreamMessage;
      this.seq = message.seq;
      this.newest = message;
      for (const listener of this.listeners) listener(message);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.say(true);
      this.timer = setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    };
  }

  private close(): void {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    // The next listener begins anew, with what it asks for.
    this.seq = null;
    this.newest = null;
    this.wait = FIRST_WAIT;
    this.say(false);
  }

  private say(lost: boolean): void {
    if (lost === this.lost) return;
    this.lost = lost;
    for (const watcher of this.watchers) watcher();
  }
}

export const stream = new Stream();

/** Calls with every message. `listener` must stay the same between renders. */
export function useStream(listener: Listener): void {
  useEffect(() => stream.listen(listener), [listener]);
}

/** Whether the connection broke and did not come back yet. */
export function useStreamIsLost(): boolean {
  return useSyncExternalStore(stream.watch, () => stream.lost);
}
