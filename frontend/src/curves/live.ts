import { useEffect, useMemo, useState } from "react";
import { api, body } from "../api/client";
import { type StreamMessage, stream } from "../api/stream";
import { Curves } from "./curves";

/** Points of one request: an answer of some megabytes. */
const PAGE = 10_000;
/** Of each measure, for a first look: more than a chart has pixels for. */
const FIRST_LOOK = 2000;

export interface Live {
  curves: ReadonlyMap<string, Curves>;
  loading: boolean;
  error: Error | null;
  again: () => void;
}

/**
 * The curves of some runs: what was measured, and then what the WebSocket tells. `ids` must stay the same between
 * renders.
 */
export function useCurves(ids: readonly string[]): Live {
  const curves = useMemo(() => new Map(ids.map((id) => [id, new Curves()])), [ids]);
  const [loading, setLoading] = useState(true);
  const [error, setError] = useState<Error | null>(null);
  const [tries, setTries] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new try loads again
  useEffect(() => {
    const left = new AbortController();
    let listened = false;

    function loadAll(): void {
      setLoading(true);
      setError(null);
      Promise.all([...curves].map(([id, own]) => load(id, own, left.signal)))
        .catch((reason: Error) => left.signal.aborted || setError(reason))
        .finally(() => left.signal.aborted || setLoading(false));
    }

    const unlisten = stream.listen((message: StreamMessage) => {
      for (const [id, own] of curves) own.add(message.points.filter((point) => point.job_id === id));
      // Only now: between the stored points and those that come none is missed.
      if (!listened) loadAll();
      listened = true;
    });
    const whenLost = () => {
      if (stream.lost && !listened) loadAll();
    };
    const unwatch = stream.watch(whenLost);
    whenLost();
    return () => {
      left.abort();
      unlisten();
      unwatch();
    };
  }, [curves, tries]);

  return { curves, loading, error, again: () => setTries(tries + 1) };
}

/** The whole curve in outline, then all of its points. */
async function load(id: string, curves: Curves, signal: AbortSignal): Promise<void> {
  const get = (query: { limit?: number; offset?: number; max_points?: number }) =>
    body(api.GET("/api/jobs/{job_id}/metrics", { params: { path: { job_id: id }, query }, signal }));
  const { metrics, total } = await get({ max_points: FIRST_LOOK });
  curves.add(metrics);
  if (total <= FIRST_LOOK) return;
  for (let offset = 0; offset < total; offset += PAGE)
    curves.add((await get({ limit: PAGE, offset })).metrics);
}
