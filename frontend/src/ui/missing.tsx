import type { UseQueryResult } from "@tanstack/react-query";
import { Refusal } from "../api/client";
import { Loading } from "./loading";
import { Refused } from "./refused";

/**
 * In the place of an answer that is not there: why it was refused, or that it is on its way. An answer that is there is
 * shown, even where asking again has failed.
 */
export function Missing({ of, lines }: { of: UseQueryResult<unknown>; lines?: number }) {
  if (of.error === null) return <Loading lines={lines} />;
  // What is not there does not come by asking again.
  const gone = of.error instanceof Refusal && of.error.status === 404;
  return <Refused error={of.error} retry={gone ? undefined : of.refetch} />;
}
