import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useEnqueue, useLastCheckpoint, useResume } from "../../api/jobs";
import { status } from "../../api/queries";
import type { JobDetail, TrainingConfig } from "../../api/schema";
import { isResumable, isRunning } from "../../api/states";
import { text } from "../../text";
import { Card } from "../../ui/card";
import { measured } from "../../ui/format";
import { Scrolled } from "../../ui/scrolled";
import { type Fix, fixesOf } from "./fixes";
import classes from "./run.module.css";

/** Why it ended before it was completed, and what can be done. */
export function Outcome({ job }: { job: JobDetail }) {
  if (!isResumable(job.status)) return null;
  const words = text.run;
  const exit = job.signal ? words.signal(job.signal) : job.exit_code ? words.exit(job.exit_code) : null;
  return (
    <section className={classes.outcome} aria-label={words.outcome[job.status as keyof typeof words.outcome]}>
      <Card kind={job.status === "failed" ? "bad" : "warn"}>
        <strong>{words.outcome[job.status as keyof typeof words.outcome]}</strong>
        {job.cause && <p>{words.causes[job.cause]}</p>}
        {job.error && <p className={classes.error}>{job.error}</p>}
        <Fixes job={job} />
        {(exit || job.log_tail.length > 0) && (
          <details>
            <summary>{words.details}</summary>
            {exit && <p>{exit}</p>}
            {job.log_tail.length > 0 && (
              <Scrolled className={classes.tail} label={words.tail}>
                {job.log_tail.join("\n")}
              </Scrolled>
            )}
          </details>
        )}
      </Card>
    </section>
  );
}

function Fixes({ job }: { job: JobDetail }) {
  const resume = useResume();
  const [pressed, setPressed] = useState<Fix["kind"]>();
  const step = useLastCheckpoint(job.id);
  const again = useEnqueue();
  const now = useQuery(status).data;
  // One job goes on at a time; a new one waits in the queue.
  const taken = now !== undefined && now.job_id !== job.id && isRunning(now.status);
  return (
    <fieldset className={classes.fixes} aria-label={text.run.fixes.label}>
      {fixesOf(job).map((fix, at) =>
        fix.kind === "data" ? (
          <Button
            key={fix.kind}
            size="xs"
            variant={at === 0 ? "filled" : "default"}
            renderRoot={(props) => (
              <Link to="/datasets/$filename" params={{ filename: job.dataset }} {...props} />
            )}
          >
            {text.run.fixes.data}
          </Button>
        ) : (
          <Button
            key={fix.kind}
            size="xs"
            variant={at === 0 ? "filled" : "default"}
            loading={pressed === fix.kind && (resume.isPending || again.isPending)}
            disabled={resume.isPending || again.isPending || (fix.kind === "resume" && taken)}
            onClick={() => {
              setPressed(fix.kind);
              if (fix.kind === "resume") resume.mutate(job.id);
              else again.mutate(withChanges(job, fix.changes));
            }}
          >
            {label(fix, step)}
          </Button>
        ),
      )}
      {taken && <p className={classes.note}>{text.run.fixes.taken}</p>}
    </fieldset>
  );
}

function withChanges(job: JobDetail, changes: Partial<TrainingConfig>): TrainingConfig {
  const same: TrainingConfig = JSON.parse(job.request.json_body);
  return { ...same, ...changes };
}

function label(fix: Fix, step: number): string {
  const words = text.run.fixes;
  switch (fix.kind) {
    case "resume":
      return words.resume(step);
    case "data":
      return words.data;
    case "batch":
      return words.batch(fix.changes.per_device_train_batch_size ?? 1);
    case "checkpointing":
      return words.checkpointing;
    case "length":
      return words.length(fix.changes.max_seq_length ?? 0);
    case "rate":
      return words.rate(measured(fix.changes.learning_rate));
  }
}
