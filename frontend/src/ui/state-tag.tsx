import type { TrainingStatus } from "../api/schema";
import { text } from "../text";
import { Tag } from "./card";

const KINDS = {
  idle: undefined,
  queued: undefined,
  starting: "accent",
  training: "accent",
  saving: "accent",
  completed: "good",
  failed: "bad",
  stopped: "warn",
  interrupted: "warn",
} as const;

/** A run's state as a coloured word. */
export function StateTag({ state }: { state: TrainingStatus["status"] }) {
  return <Tag kind={KINDS[state]}>{text.names.states[state]}</Tag>;
}
