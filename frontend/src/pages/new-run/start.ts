import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useRef } from "react";
import { api, body } from "../../api/client";
import { OF_JOBS } from "../../api/queries";
import { root } from "../../api/root";
import type { TrainingConfig } from "../../api/schema";
import { say, tell } from "../../shell/notices";
import { text } from "../../text";
import { same } from "./fields";

/** Puts the request into the queue, once however often it is sent, and goes to the run's page. */
export function useStart() {
  const queries = useQueryClient();
  const router = useRouter();
  const sent = useRef<{ config: TrainingConfig; key: string } | null>(null);
  return useMutation({
    mutationFn: (config: TrainingConfig) => {
      if (sent.current === null || !same(sent.current.config, config))
        sent.current = { config, key: newKey() };
      const header = { "Idempotency-Key": sent.current.key };
      return body(api.POST("/api/jobs", { params: { header }, body: config }));
    },
    onSuccess: ({ job_id }) => {
      say(text.newRun.started);
      router.history.push(`${root}/runs/${job_id}`);
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
