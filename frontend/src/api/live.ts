import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { allJobs, jobWith } from "./jobs";
import { OF_JOBS, status } from "./queries";
import type { JobSummary } from "./schema";
import { type StreamMessage, useStream } from "./stream";

/** Keeps what is known of the jobs as the WebSocket tells it. */
export function useLiveJobs(): void {
  const queries = useQueryClient();
  useStream(useCallback((message: StreamMessage) => take(queries, message), [queries]));
}

function take(queries: QueryClient, message: StreamMessage): void {
  const { points: _, ...now } = message;
  const before = queries.getQueryData(status.queryKey);
  // What was missed comes again from its beginning: what is known already may be newer.
  if (before === undefined || before.seq <= now.seq) queries.setQueryData(status.queryKey, now);
  const { queue_seq: queue, job_id: id, ...state } = now;
  if (id !== null) {
    const newer = <Job extends JobSummary>(job: Job): Job =>
      job.id === id && job.seq <= now.seq ? { ...job, ...state, status: now.status as Job["status"] } : job;
    queries.setQueryData(jobWith(id).queryKey, (job) => job && newer(job));
    queries.setQueryData(allJobs.queryKey, (list) => list && { ...list, jobs: list.jobs.map(newer) });
  }
  if (before?.status !== now.status || before.job_id !== id) {
    for (const queryKey of OF_JOBS) void queries.invalidateQueries({ queryKey });
  } else if (before.queue_seq !== queue) {
    void queries.invalidateQueries({ queryKey: ["jobs"] });
  } else if (id !== null && before.message !== now.message) {
    void queries.invalidateQueries(jobWith(id));
  }
}
