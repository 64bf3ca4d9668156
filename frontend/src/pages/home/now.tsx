import { Button, Progress } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useStop } from "../../api/jobs";
import type { JobSummary, TrainingStatus } from "../../api/schema";
import { isOpen } from "../../api/states";
import { text } from "../../text";
import { Card, Empty } from "../../ui/card";
import { duration, measured } from "../../ui/format";
import { StateTag } from "../../ui/state-tag";
import classes from "./home.module.css";

/** The run that is under way, as the WebSocket tells it. */
export function Now({ status, jobs }: { status: TrainingStatus; jobs: readonly JobSummary[] }) {
  const stop = useStop();
  const id = status.job_id;
  if (id === null || !isOpen(status.status))
    return <Empty title={text.home.idle.title} detail={text.home.idle.detail} />;

  const job = jobs.find((each) => each.id === id);
  const waiting = jobs.filter((each) => each.status === "queued" && each.id !== id).length;
  return (
    <Card>
      <div className={classes.runHead}>
        <strong className={classes.runName}>
          <Link to="/runs/$jobId" params={{ jobId: id }}>
            {job?.name ?? id}
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
        <Figure label={text.home.loss} value={status.loss} />
        <Figure label={text.home.evalLoss} value={status.eval_loss} />
        <Figure label={text.home.rate} value={status.learning_rate} />
      </dl>
      {waiting > 0 && <p>{text.home.waiting(waiting)}</p>}
    </Card>
  );
}

function Figure({ label, value }: { label: string; value: number | null }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{measured(value)}</dd>
    </div>
  );
}
