import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, body } from "../../api/client";
import { contract } from "../../api/contract";
import type { TrainingConfig } from "../../api/schema";
import { fieldsOf, type Given } from "./fields";

/** Every option of a training, as this server's OpenAPI document tells it. */
export const options = queryOptions({ ...contract, select: fieldsOf });

/** What a request cannot do without. */
export const NEEDED = ["task", "dataset", "model_name"] as const;

export function isWhole(given: Given): boolean {
  return NEEDED.every((name) => given[name]);
}

/** For the API's client. What in it is no training configuration is the server's to refuse, and shown at its field. */
export function requestOf(given: Given): TrainingConfig {
  return given as unknown as TrainingConfig;
}

/** What the server makes of a request. An answer to an older one is never shown for a newer one. */
export const preflight = (given: Given) =>
  queryOptions({
    queryKey: ["preflight", given],
    queryFn: ({ signal }) => body(api.POST("/api/preflight", { body: requestOf(given), signal })),
    enabled: isWhole(given),
    placeholderData: keepPreviousData,
    retry: false,
  });
