import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { api, body } from "../../api/client";
import { datasets } from "../../api/queries";

type Version = number | undefined;

/** Everything about one dataset begins with this key. */
const of = (filename: string) => ["dataset", filename] as const;

export const detail = (filename: string, version: Version) =>
  queryOptions({
    queryKey: [...of(filename), "detail", version],
    queryFn: () =>
      body(api.GET("/api/datasets/{filename}", { params: { path: { filename }, query: { version } } })),
  });

export const versions = (filename: string) =>
  queryOptions({
    queryKey: [...of(filename), "versions"],
    queryFn: () => body(api.GET("/api/datasets/{filename}/versions", { params: { path: { filename } } })),
  });

export const fixes = (filename: string, version: Version) =>
  queryOptions({
    queryKey: [...of(filename), "fixes", version],
    queryFn: () =>
      body(api.GET("/api/datasets/{filename}/fixes", { params: { path: { filename }, query: { version } } })),
  });

export const mapping = (filename: string, version: Version) =>
  queryOptions({
    queryKey: [...of(filename), "mapping", version],
    queryFn: () =>
      body(
        api.GET("/api/datasets/{filename}/mapping", { params: { path: { filename }, query: { version } } }),
      ),
  });

interface Window {
  offset: number;
  limit: number;
  search: string | undefined;
}

export const rows = (filename: string, version: Version, window: Window) =>
  queryOptions({
    queryKey: [...of(filename), "rows", version, window],
    // A search goes on at the server until nobody waits for it.
    queryFn: ({ signal }) =>
      body(
        api.GET("/api/datasets/{filename}/rows", {
          params: { path: { filename }, query: { version, ...window } },
          signal,
        }),
      ),
  });

export const comparison = (filename: string, from: number, to: number) =>
  queryOptions({
    queryKey: [...of(filename), "comparison", from, to],
    queryFn: () =>
      body(
        api.GET("/api/datasets/{filename}/comparison", {
          params: { path: { filename }, query: { from, to } },
        }),
      ),
  });

export const samples = queryOptions({
  queryKey: ["samples"],
  queryFn: () => body(api.GET("/api/samples")),
  staleTime: Infinity,
});

/** Work on data as it was when the page came: what is begun since is known to who began it. */
export const work = queryOptions({
  queryKey: ["work"],
  queryFn: () => body(api.GET("/api/operations")),
  staleTime: Infinity,
  gcTime: 0,
});

/** After anything was done to it. */
export async function changed(queries: QueryClient, filename: string): Promise<void> {
  await Promise.all([
    queries.invalidateQueries({ queryKey: of(filename) }),
    queries.invalidateQueries({ queryKey: datasets.queryKey }),
  ]);
}
