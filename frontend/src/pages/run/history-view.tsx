import type { JobDetail } from "../../api/schema";
import { text } from "../../text";
import { count, instant } from "../../ui/format";
import { Table } from "../../ui/table";
import classes from "./run.module.css";

/** What happened to it, the newest first. */
export function HistoryView({ job }: { job: JobDetail }) {
  const words = text.run.history;
  return (
    <>
      <Table label={text.run.views.history}>
        <thead>
          <tr>
            <th scope="col">{words.when}</th>
            <th scope="col" data-number>
              {words.attempt}
            </th>
            <th scope="col">{words.what}</th>
          </tr>
        </thead>
        <tbody>
          {job.events.toReversed().map((event) => (
            <tr key={event.seq}>
              <td className={classes.when}>{instant(event.at)}</td>
              <td data-number>{count(event.attempt)}</td>
              <td>{event.text}</td>
            </tr>
          ))}
        </tbody>
      </Table>
      <p>
        {text.run.where} <code>{job.run_dir}</code>
      </p>
    </>
  );
}
