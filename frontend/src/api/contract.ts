import { queryOptions } from "@tanstack/react-query";
import { refusalOf, Unreachable } from "./client";
import type { ApiDocument } from "./fields";
import { root } from "./root";

/** The OpenAPI document, which has every field's bounds, default and hint. */
export const contract = queryOptions({
  queryKey: ["contract"],
  queryFn: async (): Promise<ApiDocument> => {
    const answer = await fetch(`${root}/openapi.json`).catch(() => {
      throw new Unreachable();
    });
    if (!answer.ok) throw refusalOf(answer.status, await answer.text());
    return answer.json();
  },
  staleTime: Infinity,
});
