import { Button } from "@mantine/core";
import { IconFlask, IconPlayerPlay, IconUpload, type TablerIcon } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useEnqueue, useResume } from "../../api/jobs";
import { datasets } from "../../api/queries";
import type { JobSummary } from "../../api/schema";
import { isResumable } from "../../api/states";
import { tell } from "../../shell/notices";
import { text } from "../../text";
import { bringData, DEMO } from "./demo";
import classes from "./home.module.css";

/** Three ways to begin. */
export function Begin({ jobs }: { jobs: readonly JobSummary[] }) {
  const queries = useQueryClient();
  const enqueue = useEnqueue({ said: text.home.demo.started, stays: true });
  const demo = useMutation({
    mutationFn: bringData,
    onSuccess: () => enqueue.mutate(DEMO),
    onError: tell,
    onSettled: () => queries.invalidateQueries(datasets),
  });
  const resume = useResume();
  const ended = jobs.find((each) => isResumable(each.status));

  return (
    <div className={classes.ways}>
      <Way icon={IconFlask} title={text.home.demo.title} detail={text.home.demo.detail}>
        <Button loading={demo.isPending || enqueue.isPending} onClick={() => demo.mutate()}>
          {text.home.demo.action}
        </Button>
      </Way>
      <Way icon={IconUpload} title={text.home.upload.title} detail={text.home.upload.detail}>
        <Button variant="default" renderRoot={(props) => <Link to="/datasets" {...props} />}>
          {text.home.upload.action}
        </Button>
      </Way>
      <Way
        icon={IconPlayerPlay}
        title={text.home.resume.title}
        detail={ended ? text.home.resume.detail(ended.name) : text.home.resume.none}
      >
        {ended && (
          <Button variant="default" loading={resume.isPending} onClick={() => resume.mutate(ended.id)}>
            {text.home.resume.action}
          </Button>
        )}
      </Way>
    </div>
  );
}

interface WayProps {
  icon: TablerIcon;
  title: string;
  detail: string;
  children: ReactNode;
}

function Way({ icon: Icon, title, detail, children }: WayProps) {
  return (
    <div className={classes.way}>
      <Icon size={22} stroke={1.7} aria-hidden className={classes.wayIcon} />
      <h3>{title}</h3>
      <p>{detail}</p>
      {children}
    </div>
  );
}
