import { Button, Popover } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useLastCheckpoint, useStop } from "../../api/jobs";
import type { JobDetail } from "../../api/schema";
import { isRunning } from "../../api/states";
import { text } from "../../text";
import { Ask } from "../../ui/ask";
import { AsText } from "../../ui/request-text";
import classes from "./run.module.css";

/** What can be done with the run as it is. */
export function Actions({ job }: { job: JobDetail }) {
  const stop = useStop();
  return (
    <>
      {isRunning(job.status) && (
        <>
          <Button
            variant="default"
            loading={stop.isPending}
            onClick={() => stop.mutate({ id: job.id, force: false })}
          >
            {text.run.stop}
          </Button>
          <StopAtOnce job={job} />
        </>
      )}
      {job.status === "queued" && (
        <Button
          variant="default"
          loading={stop.isPending}
          onClick={() => stop.mutate({ id: job.id, force: false })}
        >
          {text.run.cancel}
        </Button>
      )}
      {job.model_id !== null && (
        <Button
          renderRoot={(props) => (
            <Link to="/playground" search={{ model: job.model_id ?? 0, base: true }} {...props} />
          )}
        >
          {text.models.talk}
        </Button>
      )}
      <Clone job={job} />
      {stop.isPending && job.status !== "queued" && (
        <span role="status" className={classes.note}>
          {text.run.stopping}
        </span>
      )}
    </>
  );
}

/** It saves nothing: what is lost by it is said before. */
function StopAtOnce({ job }: { job: JobDetail }) {
  const words = text.run.force;
  const [asked, setAsked] = useState(false);
  const stop = useStop();
  return (
    <>
      <Button variant="default" loading={stop.isPending} onClick={() => setAsked(true)}>
        {words.action}
      </Button>
      <Ask
        opened={asked && isRunning(job.status)}
        title={words.title}
        action={words.action}
        busy={stop.isPending}
        onClose={() => setAsked(false)}
        onConfirm={() => {
          stop.mutate({ id: job.id, force: true });
          setAsked(false);
        }}
      >
        <Lost id={job.id} />
      </Ask>
    </>
  );
}

function Lost({ id }: { id: string }) {
  return <p>{text.run.force.detail(useLastCheckpoint(id))}</p>;
}

function Clone({ job }: { job: JobDetail }) {
  return (
    <Popover width={Math.min(560, window.innerWidth - 32)} position="bottom-end" trapFocus withinPortal>
      <Popover.Target>
        <Button variant="default">{text.run.clone}</Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={text.run.copies}>
        <p>
          <Link to="/new" search={{ from: job.id }}>
            {text.run.change}
          </Link>
        </p>
        <AsText request={job.request} />
      </Popover.Dropdown>
    </Popover>
  );
}
