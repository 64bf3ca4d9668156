import { queryOptions } from "@tanstack/react-query";
import { api, body } from "../../api/client";

export const job = (id: string) =>
  queryOptions({
    queryKey: ["jobs", id],
    queryFn: () => body(api.GET("/api/jobs/{job_id}", { params: { path: { job_id: id } } })),
  });

export const checkpoints = (id: string) =>
  queryOptions({
    queryKey: ["jobs", id, "checkpoints"],
    queryFn: () => body(api.GET("/api/jobs/{job_id}/checkpoints", { params: { path: { job_id: id } } })),
  });
