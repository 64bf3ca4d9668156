import { Button, Progress } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { jobWith, useStop } from "../../api/jobs";
import { jobCount } from "../../api/queries";
import type { TrainingStatus } from "../../api/schema";
import { isOpen, type JobState } from "../../api/states";
import { text } from "../../text";
import { measureName } from "../../text/measures";
import { Card, Empty } from "../../ui/card";
import { duration, measured } from "../../ui/format";
import { StateTag } from "../../ui/state-tag";
import classes from "./home.module.css";

const FIGURES = ["loss", "eval_loss", "learning_rate"] as const;
const QUEUED: JobState[] = ["queued"];

/** The run that is under way, as the WebSocket tells it. */
export function Now({ status }: { status: TrainingStatus }) {
  const id = status.job_id;
  return id === null || !isOpen(status.status) ? (
    <Empty title={text.home.idle.title} detail={text.home.idle.detail} />
  ) : (
    <UnderWay id={id} status={status} />
  );
}

function UnderWay({ id, status }: { id: string; status: TrainingStatus }) {
  const stop = useStop();
  const job = useQuery(jobWith(id));
  const queued = useQuery(jobCount(QUEUED));
  // It may wait itself, before all others.
  const waiting = (queued.data ?? 0) - (status.status === "queued" ? 1 : 0);
  return (
    <Card>
      <div className={classes.runHead}>
        <strong className={classes.runName}>
          <Link to="/runs/$jobId" params={{ jobId: id }}>
            {job.data?.name ?? text.run.loading}
          </Link>
        </strong>
        <StateTag state={status.status} />
        <span className={classes.stretch} />
        <Button
          size="xs"
          variant="default"
          loading={stop.isPending}
          onClick={() => stop.mutate({ id, force: false })}
        >
          {text.home.stop}
        </Button>
      </div>
      <Progress
        value={status.progress}
        size="md"
        mt="sm"
        mb={6}
        aria-label={text.home.now}
        transitionDuration={200}
      />
      <div className={classes.runLine}>
        <span>
          {status.current_step !== null && status.total_steps !== null
            ? text.home.step(status.current_step, status.total_steps)
            : status.message}
        </span>
        {status.eta_seconds !== null && <span>{text.home.left(duration(status.eta_seconds))}</span>}
      </div>
      {status.stalled && <p role="status">{text.home.stalled}</p>}
      <dl className={classes.numbers}>
        {FIGURES.map((name) => (
          <div key={name}>
            <dt>{measureName(name)}</dt>
            <dd>{measured(status[name])}</dd>
          </div>
        ))}
      </dl>
      {waiting > 0 && <p>{text.home.waiting(waiting)}</p>}
    </Card>
  );
}
