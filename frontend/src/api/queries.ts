import { queryOptions } from "@tanstack/react-query";
import { api, body } from "./client";

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

/** The newest jobs, newest first. Lists begin with the oldest. */
export const newestJobs = (count: number) =>
  queryOptions({
    queryKey: ["jobs", "newest", count],
    queryFn: async () => {
      const { total } = await body(api.GET("/api/jobs", { params: { query: { limit: 1 } } }));
      const offset = Math.max(0, total - count);
      const { jobs } = await body(api.GET("/api/jobs", { params: { query: { limit: count, offset } } }));
      return { jobs: jobs.reverse(), total };
    },
  });

/** Every query that tells of jobs or of what they make. */
export const OF_JOBS = [["jobs"], ["models"]] as const;
