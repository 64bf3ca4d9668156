import { queryOptions } from "@tanstack/react-query";
import { api, body } from "../../api/client";

const LOOK_MS = 2000;

export const system = queryOptions({ queryKey: ["system"], queryFn: () => body(api.GET("/api/system")) });

/** How busy the machine is; looked at again and again while the page is in sight. */
export const use = queryOptions({
  queryKey: ["system", "use"],
  queryFn: () => body(api.GET("/api/system/use")),
  refetchInterval: LOOK_MS,
});

export const keys = queryOptions({
  queryKey: ["keys"],
  queryFn: () => body(api.GET("/api/keys")),
  retry: false,
});
