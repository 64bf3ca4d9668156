import { Button, Checkbox, TextInput } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useLayoutEffect, useRef, useState } from "react";
import { api, body } from "../../api/client";
import { useFollowing } from "../../api/following";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Scrolled } from "../../ui/scrolled";
import { useTyped } from "../../ui/typed";
import type { Look } from "./run";
import classes from "./run.module.css";

const LINES = 1000;
/** Nearer to the end than this many pixels is at the end. */
const NEAR = 8;

interface Props {
  id: string;
  look: Look;
  change: (changes: Look) => void;
}

/** What the worker wrote. Its end is followed until one scrolls up, and again from when one comes back to it. */
export function LogView({ id, look, change }: Props) {
  const box = useRef<HTMLElement>(null);
  const drawn = useRef({ first: 0, height: 0 });
  // The first line that is shown; null while the end is followed.
  const [from, setFrom] = useState<number | null>(null);
  const [search, setSearch] = useTyped(look.find ?? "", (find) => change({ find: find || undefined }));
  const log = useQuery({
    queryKey: ["log", id, from],
    queryFn: async () => {
      const query = from === null ? { tail: LINES } : { offset: from };
      const path = "/api/jobs/{job_id}/log";
      const { lines, total } = await body(api.GET(path, { params: { path: { job_id: id }, query } }));
      return { lines, first: total - lines.length };
    },
    placeholderData: keepPreviousData,
  });
  useFollowing(id, log.refetch);

  // biome-ignore lint/correctness/useExhaustiveDependencies: other lines are another height
  useLayoutEffect(() => {
    if (!box.current || !log.data) return;
    const { scrollHeight: height } = box.current;
    const { first } = log.data;
    if (from === null) box.current.scrollTop = height;
    // What was read stays where it is.
    else if (first < drawn.current.first) box.current.scrollTop = height - drawn.current.height;
    drawn.current = { first, height };
  }, [log.data, from, search]);

  if (!log.data) return <Missing of={log} lines={8} />;
  const { first, lines } = log.data;
  if (lines.length === 0) return <Empty {...text.run.log.none} />;
  const wanted = search.toLowerCase();
  const found = wanted ? lines.filter((line) => line.toLowerCase().includes(wanted)) : lines;

  function scrolled(): void {
    // Few lines found move the box to its end by themselves.
    if (!box.current || wanted) return;
    const { scrollHeight, scrollTop, clientHeight } = box.current;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    if (atEnd === (from === null)) return;
    setFrom(atEnd ? null : first);
  }

  return (
    <>
      <div className={classes.logHead}>
        <TextInput
          type="search"
          size="xs"
          className={classes.find}
          aria-label={text.run.log.find}
          placeholder={text.run.log.find}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        {wanted && <span className={classes.hint}>{text.run.log.found(found.length, lines.length)}</span>}
        <Checkbox
          size="sm"
          label={text.run.log.follow}
          checked={from === null}
          onChange={(event) => setFrom(event.target.checked ? null : first)}
        />
        {first > 0 && (
          <Button size="xs" variant="default" onClick={() => setFrom(Math.max(0, first - LINES))}>
            {text.run.log.earlier(Math.min(LINES, first))}
          </Button>
        )}
      </div>
      <Scrolled place={box} className={classes.log} label={text.run.log.label} onScroll={scrolled}>
        {found.join("\n")}
      </Scrolled>
    </>
  );
}
