import { useEffect } from "react";
import { stream } from "./stream";

/** Between two questions, however much a run tells meanwhile. */
const WAIT_MS = 2000;

/** Asks again while the WebSocket tells of the run. `ask` must stay the same between renders. */
export function useFollowing(id: string, ask: () => unknown): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const unlisten = stream.listen((message) => {
      if (message.job_id !== id || timer !== undefined) return;
      timer = setTimeout(() => {
        timer = undefined;
        ask();
      }, WAIT_MS);
    });
    return () => {
      clearTimeout(timer);
      unlisten();
    };
  }, [id, ask]);
}
