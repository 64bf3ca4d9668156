import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, authorization, body, refusalOf } from "../../api/client";
import { root } from "../../api/root";
import type { TrainingConfig } from "../../api/schema";
import { fieldsOf, type Given } from "./fields";

/** Every option of a training, as this server's OpenAPI document tells it. */
export const options = queryOptions({
  queryKey: ["openapi", "TrainingConfig"],
  queryFn: async ({ signal }) => {
    const answer = await fetch(`${root}/openapi.json`, { headers: authorization(), signal });
    if (!answer.ok) throw refusalOf(answer.status, await answer.text());
    const document = await answer.json();
    return fieldsOf(document.components.schemas.TrainingConfig);
  },
  staleTime: Infinity,
});

/** What can be chosen on this machine, each with a sentence. */
export const catalogue = queryOptions({
  queryKey: ["catalogue"],
  queryFn: () => body(api.GET("/api/catalogue")),
});

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
