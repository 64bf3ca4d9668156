import type { UseQueryResult } from "@tanstack/react-query";
import { Loading } from "./loading";
import { Refused } from "./refused";

/**
 * In the place of an answer that is not there: why it was refused, or that it is on its way. An answer that is there is
 * shown, even where asking again has failed.
 */
export function Missing({ of, lines }: { of: UseQueryResult<unknown>; lines?: number }) {
  return of.error ? <Refused error={of.error} retry={of.refetch} /> : <Loading lines={lines} />;
}
