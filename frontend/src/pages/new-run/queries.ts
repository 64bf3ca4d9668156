import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, body } from "../../api/client";
import { contract } from "../../api/contract";
import type { TrainingConfig } from "../../api/schema";
import { fieldsOf, type Given } from "./fields";

/** Every option of a training, as this server's OpenAPI document tells it. */
export const options = queryOptions({ ...contract, select: fieldsOf });

export function isWhole(given: Given): given is TrainingConfig {
  return Boolean(given.task && given.model_name && given.dataset);
}

/** What the server makes of a request. An answer to an older one is never shown for a newer one. */
export const preflight = (given: Given) =>
  queryOptions({
    queryKey: ["preflight", given],
    queryFn: ({ signal }) => body(api.POST("/api/preflight", { body: given as TrainingConfig, signal })),
    enabled: isWhole(given),
    placeholderData: keepPreviousData,
    retry: false,
  });
