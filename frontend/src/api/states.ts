import type { TrainingStatus } from "./schema";

type State = TrainingStatus["status"];

const RUNNING: readonly State[] = ["starting", "training", "saving"];
const RESUMABLE: readonly State[] = ["failed", "stopped", "interrupted"];

export const isRunning = (state: State) => RUNNING.includes(state);
export const isOpen = (state: State) => state === "queued" || isRunning(state);
export const isResumable = (state: State) => RESUMABLE.includes(state);
