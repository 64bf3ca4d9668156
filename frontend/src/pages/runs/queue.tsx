import { ActionIcon } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMove, useStop } from "../../api/jobs";
import type { JobSummary } from "../../api/schema";
import { text } from "../../text";
import { count } from "../../ui/format";
import { Section } from "../../ui/page";
import { Table } from "../../ui/table";
import classes from "./runs.module.css";

/** The runs that wait, the next one first. */
export function Queue({ jobs }: { jobs: readonly JobSummary[] }) {
  const move = useMove();
  const cancel = useStop();
  const waiting = jobs
    .filter((job) => job.status === "queued" && job.position !== null)
    .sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
  if (waiting.length === 0) return null;
  const words = text.runs.queue;
  return (
    <Section title={words.title}>
      <Table label={words.title}>
        <thead>
          <tr>
            <th scope="col" data-number>
              {words.position}
            </th>
            <th scope="col">{text.runs.table.name}</th>
            <th scope="col">{text.runs.table.data}</th>
            <th scope="col">{words.actions}</th>
          </tr>
        </thead>
        <tbody>
          {waiting.map(({ id, name, dataset, position }, at) => (
            <tr key={id}>
              <td data-number>{count(position ?? 0)}</td>
              <th scope="row" className={classes.name}>
                <Link to="/runs/$jobId" params={{ jobId: id }}>
                  {name}
                </Link>
              </th>
              <td className={classes.words}>{dataset}</td>
              <td className={classes.moves}>
                <ActionIcon
                  variant="default"
                  aria-label={words.up(name)}
                  disabled={at === 0 || move.isPending}
                  onClick={() => move.mutate({ id, position: at })}
                >
                  <IconArrowUp size={16} />
                </ActionIcon>
                <ActionIcon
                  variant="default"
                  aria-label={words.down(name)}
                  disabled={at === waiting.length - 1 || move.isPending}
                  onClick={() => move.mutate({ id, position: at + 2 })}
                >
                  <IconArrowDown size={16} />
                </ActionIcon>
                <ActionIcon
                  variant="default"
                  aria-label={words.cancel(name)}
                  disabled={cancel.isPending}
                  onClick={() => cancel.mutate({ id, force: false })}
                >
                  <IconX size={16} />
                </ActionIcon>
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </Section>
  );
}
