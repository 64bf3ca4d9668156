import { text } from "../text";
import { api, body, Refusal } from "./client";
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
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    operation = await body(api.GET("/api/operations/{operation_id}", { params }));
  }
  if (operation.status === "cancelled") throw new DOMException(text.shell.cancel, "AbortError");
  if (operation.status === "failed") {
    throw new Refusal(text.datasets.operationFailed[operation.kind], operation.error ?? "", 400);
  }
  return operation.result as Result;
}
