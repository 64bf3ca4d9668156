import { Button, Checkbox } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, body } from "../../api/client";
import { useFollowing } from "../../api/following";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Scrolled } from "../../ui/scrolled";
import classes from "./run.module.css";

const LINES = 1000;

/** What the worker wrote; its end is followed. */
export function LogView({ id }: { id: string }) {
  const box = useRef<HTMLElement>(null);
  const [follow, setFollow] = useState(true);
  const [pages, setPages] = useState(1);
  const log = useQuery({
    queryKey: ["log", id, pages],
    queryFn: async () => {
      const get = (query: { limit?: number; offset?: number }) =>
        body(api.GET("/api/jobs/{job_id}/log", { params: { path: { job_id: id }, query } }));
      const { total } = await get({ limit: 1 });
      const earlier = Math.max(0, total - LINES * pages);
      return { earlier, lines: (await get({ offset: earlier })).lines };
    },
    placeholderData: keepPreviousData,
  });
  const refetch = log.refetch;

  useFollowing(id, refetch);

  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines are followed
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log.data, follow]);

  if (!log.data) return <Missing of={log} lines={8} />;
  const { earlier, lines } = log.data;
  if (lines.length === 0) return <Empty {...text.run.log.none} />;
  return (
    <>
      <div className={classes.logHead}>
        <Checkbox
          size="sm"
          label={text.run.log.follow}
          checked={follow}
          onChange={(event) => setFollow(event.target.checked)}
        />
        {earlier > 0 && (
          <Button size="xs" variant="default" onClick={() => setPages(pages + 1)}>
            {text.run.log.earlier(Math.min(LINES, earlier))}
          </Button>
        )}
      </div>
      <Scrolled place={box} className={classes.log} label={text.run.log.label}>
        {lines.join("\n")}
      </Scrolled>
    </>
  );
}
