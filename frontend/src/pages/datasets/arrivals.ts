import { useSyncExternalStore } from "react";
import { Refusal } from "../../api/client";
import { finished } from "../../api/operations";
import type { DatasetUploaded, Operation } from "../../api/schema";
import { tell } from "../../shell/notices";
import { text } from "../../text";
import type { Reading, ReadOption } from "./reading";

/** Where data comes from. */
export interface Source {
  readonly name: string;
  /** Bytes that are sent; null where the server fetches them. */
  readonly size: number | null;
  /** What can be said of how it is read. */
  readonly options: readonly ReadOption[];
  /** Bring to the server what it cannot fetch by itself. */
  send(tell: Tell, signal: AbortSignal): Promise<void>;
  /** Have it made a dataset. */
  read(reading: Reading): Promise<Operation>;
  /** Remove what was sent. */
  remove(): Promise<void>;
}

export interface Arrival {
  id: number;
  name: string;
  size: number | null;
  sent: number;
  phase: "sending" | "waiting" | "reading" | "done" | "refused" | "cancelled";
  /** What the server does with it once it is there. */
  operation?: Operation;
  result?: DatasetUploaded;
  refusal?: Refusal;
  /** What can be said when it is read again; null where it cannot be. */
  again: readonly ReadOption[] | null;
  /** Whether something of what was cancelled may still be with the server. */
  left?: boolean;
}

export type Tell = (change: Partial<Arrival>) => void;
type Arrived = (result: DatasetUploaded) => unknown;

interface Way {
  source: Source | null;
  arrived: Arrived;
  cancel: AbortController;
  /** Whether the server has all of it and has begun to read it. */
  read: boolean;
}

/** Data that is on its way to become datasets, as far as this tab knows. It goes on while other pages are shown. */
class Arrivals {
  private all: readonly Arrival[] = [];
  private readonly ways = new Map<number, Way>();
  private readonly watchers = new Set<() => void>();
  private last = 0;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  list = (): readonly Arrival[] => this.all;

  /** Send it and have it made a dataset; `arrived` is called when it is one. */
  start(source: Source, arrived: Arrived): void {
    const id = this.add(source.name, source.size, source, arrived);
    void this.run(id, async (tell, signal) => {
      await source.send(tell, signal);
      return source.read({});
    });
  }

  /** Wait for what the server has begun to read already; without a source where another page had it begin. */
  follow(operation: Operation, source: Source | null, arrived: Arrived): void {
    if (this.all.some((each) => each.operation?.id === operation.id)) return;
    const id = this.add(source?.name ?? operation.dataset, source?.size ?? null, source, arrived);
    void this.run(id, async () => operation);
  }

  /** Have what was refused read in another way. */
  again(id: number, reading: Reading): void {
    const way = this.ways.get(id);
    const source = way?.source;
    if (!way || !source) return;
    way.cancel = new AbortController();
    this.change(id, { phase: "reading", operation: undefined, refusal: undefined, again: null });
    void this.run(id, () => source.read(reading));
  }

  cancel(id: number): void {
    this.ways.get(id)?.cancel.abort();
  }

  dismiss(id: number): void {
    const way = this.ways.get(id);
    this.ways.delete(id);
    if (!this.all.some((each) => each.id === id && each.phase === "done")) {
      void way?.source?.remove().catch(tell);
    }
    this.all = this.all.filter((each) => each.id !== id);
    this.tell();
  }

  private add(name: string, size: number | null, source: Source | null, arrived: Arrived): number {
    this.last += 1;
    this.ways.set(this.last, { source, arrived, cancel: new AbortController(), read: false });
    this.all = [...this.all, { id: this.last, name, size, sent: 0, phase: "sending", again: null }];
    this.tell();
    return this.last;
  }

  private async run(
    id: number,
    begin: (tell: Tell, signal: AbortSignal) => Promise<Operation>,
  ): Promise<void> {
    const way = this.ways.get(id);
    if (!way) return;
    const { source, arrived, cancel } = way;
    const change = (to: Partial<Arrival>) => this.change(id, to);
    try {
      const operation = await begin(change, cancel.signal);
      way.read = true;
      change({ phase: "reading", operation });
      const tell = (operation: Operation) => change({ operation });
      const result = await finished<DatasetUploaded>(operation, tell, cancel.signal);
      change({ phase: "done", result });
      arrived(result);
    } catch (error) {
      if (cancel.signal.aborted) change({ phase: "cancelled", left: !(await removed(source)) });
      else {
        const again = way.read ? (source?.options ?? null) : null;
        change({ phase: "refused", refusal: refusalOf(error), again });
      }
    }
  }

  private change(id: number, change: Partial<Arrival>): void {
    this.all = this.all.map((each) => (each.id === id ? { ...each, ...change } : each));
    this.tell();
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}

export const arrivals = new Arrivals();

export function useArrivals(): readonly Arrival[] {
  return useSyncExternalStore(arrivals.watch, arrivals.list);
}

/** Whether nothing of it is with the server any more. */
async function removed(source: Source | null): Promise<boolean> {
  try {
    await source?.remove();
    return source !== null;
  } catch (error) {
    refusalOf(error);
    return false;
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  console.error(error);
  return new Refusal(text.shell.fault.title, text.shell.fault.detail, 0);
}
