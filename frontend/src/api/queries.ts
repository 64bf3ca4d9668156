import { queryOptions } from "@tanstack/react-query";
import { api, body } from "./client";
import type { JobState } from "./states";

/** What several pages ask for. A page's own questions stand beside it. */
export const info = queryOptions({
  queryKey: ["info"],
  queryFn: () => body(api.GET("/api/info")),
  staleTime: Infinity,
});

export const status = queryOptions({
  queryKey: ["status"],
  queryFn: () => body(api.GET("/api/training_status")),
});

export const models = queryOptions({ queryKey: ["models"], queryFn: () => body(api.GET("/api/models")) });

export const datasets = queryOptions({
  queryKey: ["datasets"],
  queryFn: () => body(api.GET("/api/datasets")),
});

/** What can be chosen on this machine, each with a sentence. */
export const catalogue = queryOptions({
  queryKey: ["catalogue"],
  queryFn: () => body(api.GET("/api/catalogue")),
});

/** How many jobs are in one of these states. */
export const jobCount = (states: JobState[]) =>
  queryOptions({ queryKey: ["jobs", "count", states], queryFn: () => countOf(states) });

/** The newest jobs in one of these states, newest first. Lists begin with the oldest. */
export const newestJobs = (count: number, states: JobState[]) =>
  queryOptions({
    queryKey: ["jobs", "newest", count, states],
    queryFn: async () => {
      const offset = Math.max(0, (await countOf(states)) - count);
      const query = { status: states, limit: count, offset };
      return (await body(api.GET("/api/jobs", { params: { query } }))).jobs.reverse();
    },
  });

async function countOf(states: JobState[]): Promise<number> {
  const query = { status: states, limit: 1 };
  return (await body(api.GET("/api/jobs", { params: { query } }))).total;
}

/** Every query that tells of jobs or of what they make. */
export const OF_JOBS = [["jobs"], ["models"]] as const;
