import { Progress } from "@mantine/core";
import type { JobDetail } from "../../api/schema";
import { isResumable, isRunning } from "../../api/states";
import { text } from "../../text";
import { Card } from "../../ui/card";
import { duration } from "../../ui/format";
import { seconds } from "../runs/choice";
import classes from "./run.module.css";

/** How far it came, and how long it will take. */
export function Progressed({ job }: { job: JobDetail }) {
  const words = text.run;
  const took = job.ended_at ? seconds(job, 0) : null;
  const facts = [
    job.current_step !== null && job.total_steps !== null && words.step(job.current_step, job.total_steps),
    job.current_epoch !== null &&
      job.total_epochs !== null &&
      words.epoch(job.current_epoch, job.total_epochs),
    job.attempt > 1 && words.attempt(job.attempt),
  ].filter((each) => each !== false);
  return (
    <Card>
      <div className={classes.line}>
        <strong>{text.runs.progress(job.progress)}</strong>
        {/* What happens now; that it ended is said by its state. */}
        {!isResumable(job.status) && <span role="status">{job.message}</span>}
      </div>
      <Progress
        value={job.progress}
        size="md"
        mt={8}
        mb={8}
        transitionDuration={200}
        aria-label={words.progress}
        color={job.status === "completed" ? "green" : undefined}
      />
      <div className={classes.line} data-quiet>
        <span>{facts.join(" · ")}</span>
        {isRunning(job.status) && job.eta_seconds !== null && (
          <span>{words.left(duration(job.eta_seconds))}</span>
        )}
        {took !== null && <span>{words.took(duration(took))}</span>}
        {job.position !== null && <span>{words.queued(job.position)}</span>}
      </div>
      {job.stalled && (
        <p role="status" className={classes.stalled}>
          {words.stalled}
        </p>
      )}
    </Card>
  );
}
