import type { JobDetail, TrainingConfig } from "../../api/schema";

/** What to ask for to have the same again: all that was filled in, but its name, which is taken. */
export function requestOf(job: JobDetail): TrainingConfig {
  const given = Object.entries(job.config).filter(([name, value]) => value !== null && name !== "name");
  return Object.fromEntries(given) as unknown as TrainingConfig;
}

export function json(request: TrainingConfig): string {
  return JSON.stringify(request, null, 2);
}

/** For a shell; `key` says whether the server asks for one. */
export function curl(request: TrainingConfig, server: string, key: boolean): string {
  return [
    `curl ${server}/api/jobs`,
    ...(key ? ["-H 'Authorization: Bearer YOUR_KEY'"] : []),
    "-H 'Content-Type: application/json'",
    `-d '${JSON.stringify(request).replaceAll("'", "'\\''")}'`,
  ].join(" \\\n  ");
}
