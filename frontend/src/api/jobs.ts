import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { say, tell } from "../shell/notices";
import { text } from "../text";
import { api, body } from "./client";
import type { TrainingConfig } from "./schema";

export const allJobs = queryOptions({
  queryKey: ["jobs", "all"],
  queryFn: () => body(api.GET("/api/jobs")),
});

export const jobWith = (id: string) =>
  queryOptions({
    queryKey: ["jobs", "one", id],
    queryFn: () => body(api.GET("/api/jobs/{job_id}", { params: { path: { job_id: id } } })),
  });

/** What lies of a job on its disk now. */
export const checkpointsOf = (id: string) =>
  queryOptions({
    queryKey: ["jobs", "one", id, "checkpoints"],
    queryFn: () => body(api.GET("/api/jobs/{job_id}/checkpoints", { params: { path: { job_id: id } } })),
  });

/** What a job's model says to some prompts as it learns. */
export const samplesOf = (id: string) =>
  queryOptions({
    queryKey: ["jobs", "one", id, "samples"],
    queryFn: () => body(api.GET("/api/jobs/{job_id}/samples", { params: { path: { job_id: id } } })),
  });

function useChange<Given>(change: (given: Given) => Promise<unknown>, done: (given: Given) => string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (_, given) => say(done(given)),
    onError: tell,
    onSettled: () => queries.invalidateQueries({ queryKey: ["jobs"] }),
  });
}

export const useStop = () =>
  useChange(
    ({ id, force }: { id: string; force: boolean }) =>
      body(api.POST("/api/jobs/{job_id}/stop", { params: { path: { job_id: id }, query: { force } } })),
    () => text.run.stopped,
  );

export const useResume = () =>
  useChange(
    (id: string) => body(api.POST("/api/jobs/{job_id}/resume", { params: { path: { job_id: id } } })),
    () => text.run.resumed,
  );

export const useMove = () =>
  useChange(
    ({ id, position }: { id: string; position: number }) =>
      body(api.POST("/api/jobs/{job_id}/move", { params: { path: { job_id: id }, query: { position } } })),
    ({ position }) => text.runs.queue.moved(position),
  );

/** Puts a training into the queue. */
export function enqueue(config: TrainingConfig) {
  return body(api.POST("/api/jobs", { body: config }));
}
