import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { say, tell } from "../shell/notices";
import { text } from "../text";
import { api, body } from "./client";
import { OF_JOBS } from "./queries";
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

/** The step of the newest checkpoint that a job could go on from; 0 where there is none. */
export function useLastCheckpoint(id: string): number {
  // A run writes more of them, and nobody is told of each.
  const { data } = useQuery({ ...checkpointsOf(id), refetchOnMount: "always" });
  return data?.checkpoints.findLast((each) => each.valid)?.step ?? 0;
}

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

/** Puts a training into the queue, once however often the same is sent, and goes to its run unless it `stays`. */
export function useEnqueue({ said = text.runs.queue.entered, stays = false } = {}) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const sent = useRef({ request: "", key: "" });
  return useMutation({
    mutationFn: (config: TrainingConfig) => {
      const request = JSON.stringify(config);
      if (sent.current.request !== request) sent.current = { request, key: newKey() };
      const header = { "Idempotency-Key": sent.current.key };
      return body(api.POST("/api/jobs", { params: { header }, body: config }));
    },
    onSuccess: async ({ job_id }) => {
      // The same again is another run.
      sent.current = { request: "", key: "" };
      say(said);
      if (!stays) await navigate({ to: "/runs/$jobId", params: { jobId: job_id } });
    },
    onError: tell,
    onSettled: () => Promise.all(OF_JOBS.map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
}

/** Not by crypto.randomUUID, which browsers keep from pages that came without encryption. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
