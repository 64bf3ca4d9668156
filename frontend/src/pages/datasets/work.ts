import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { finished } from "../../api/operations";
import type { Operation } from "../../api/schema";
import { tell } from "../../shell/notices";
import { changed, work } from "./queries";

export interface Work {
  begin: (ask: () => Promise<Operation>) => void;
  cancel: () => void;
  busy: boolean;
  /** How far it is, as soon as that is known. */
  operation: Operation | null;
}

/** Work of one kind on a dataset: begun here, or found under way by a page that was left and came back. */
export function useWork<Result>(
  filename: string,
  kind: Operation["kind"],
  done: (result: Result) => void,
  failed: (error: Error) => void = tell,
): Work {
  const queries = useQueryClient();
  const [operation, setOperation] = useState<Operation | null>(null);
  const cancel = useRef(new AbortController());
  const { mutate, isPending } = useMutation({
    mutationFn: async (ask: () => Promise<Operation>) => {
      cancel.current = new AbortController();
      return finished<Result>(await ask(), setOperation, cancel.current.signal);
    },
    onError: (error) => {
      if (error.name !== "AbortError") failed(error);
    },
    // What was refused may have been so because of a newer version.
    onSettled: async () => {
      await changed(queries, filename);
      setOperation(null);
    },
  });

  const found = useQuery(work).data?.operations.find(
    (each) => each.status === "running" && each.kind === kind && each.dataset === filename,
  );
  // Told with each piece of work, so that a page that was left leads nobody away from where they are now.
  const latest = useRef(done);
  latest.current = done;
  const begin = useCallback(
    (ask: () => Promise<Operation>) => mutate(ask, { onSuccess: (result) => latest.current(result) }),
    [mutate],
  );
  useEffect(() => {
    if (found) begin(async () => found);
  }, [found, begin]);

  return { begin, cancel: () => cancel.current.abort(), busy: isPending, operation };
}
