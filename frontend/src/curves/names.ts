import { useMemo, useSyncExternalStore } from "react";
import type { Curves } from "./curves";

/** The names of all that was measured in some runs so far. `curves` must stay the same between renders. */
export function useMeasured(curves: ReadonlyMap<string, Curves>): readonly string[] {
  const { watch, names } = useMemo(() => namesOf([...curves.values()]), [curves]);
  return useSyncExternalStore(watch, names);
}

export function namesOf(all: readonly Curves[]) {
  let each: (readonly string[])[] = [];
  let names: readonly string[] = [];
  return {
    watch(watcher: () => void): () => void {
      const unwatch = all.map((curves) => curves.watch(watcher));
      return () => {
        for (const stop of unwatch) stop();
      };
    },
    /** The same array until one of them measures something new. */
    names(): readonly string[] {
      const now = all.map((curves) => curves.names());
      if (now.some((own, at) => own !== each[at])) {
        each = now;
        names = [...new Set(now.flat())];
      }
      return names;
    },
  };
}
