import type { JobSummary, TrainingStatus } from "./schema";

type State = TrainingStatus["status"];
export type JobState = Exclude<JobSummary["status"], "idle">;

const RUNNING: readonly State[] = ["starting", "training", "saving"];
const RESUMABLE: readonly JobState[] = ["failed", "stopped", "interrupted"];
export const ENDED: JobState[] = ["completed", ...RESUMABLE];

export const isRunning = (state: State) => RUNNING.includes(state);
export const isOpen = (state: State) => state === "queued" || isRunning(state);
export const isResumable = (state: State) => RESUMABLE.some((each) => each === state);
