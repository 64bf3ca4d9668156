import { text } from "../text";
import { api, body, Refusal, Unreachable } from "./client";
import { pause } from "./pause";
import type { Operation } from "./schema";

const ASK_MS = 400;

/**
 * Waits for work on data to end, and returns its result, of the type that the route that began it documents. Throws a
 * Refusal when it failed. When `signal` is aborted the work is cancelled.
 */
export async function finished<Result>(
  begun: Operation,
  tell: (operation: Operation) => void = () => {},
  signal?: AbortSignal,
): Promise<Result> {
  const params = { path: { operation_id: begun.id } };
  let operation = begun;
  while (operation.status === "running") {
    if (signal?.aborted) {
      operation = await body(api.POST("/api/operations/{operation_id}/cancel", { params }));
      break;
    }
    tell(operation);
    await pause(ASK_MS, signal);
    if (signal?.aborted) continue;
    try {
      operation = await body(api.GET("/api/operations/{operation_id}", { params }));
    } catch (error) {
      // The work goes on at the server.
      if (!(error instanceof Unreachable)) throw error;
    }
  }
  if (operation.status === "cancelled") {
    if (signal?.aborted) throw new DOMException(text.shell.cancel, "AbortError");
    throw new Refusal(text.datasets.operationFailed[operation.kind], text.datasets.cancelledElsewhere, 409);
  }
  if (operation.status === "failed") {
    throw new Refusal(text.datasets.operationFailed[operation.kind], operation.error ?? "", 400);
  }
  return operation.result as Result;
}
