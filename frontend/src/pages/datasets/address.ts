import { getRouteApi } from "@tanstack/react-router";

const route = getRouteApi("/datasets/$filename");

/** The dataset and the version that the address names; the newest where it names none. */
export function useDatasetAddress(): { filename: string; version: number | undefined } {
  const { filename } = route.useParams();
  const { version } = route.useSearch();
  return { filename, version };
}
