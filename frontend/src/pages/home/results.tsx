import { Link } from "@tanstack/react-router";
import type { JobSummary } from "../../api/schema";
import { lossOf } from "../../measures/measures";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { measured, moment } from "../../ui/format";
import { StateTag } from "../../ui/state-tag";
import { Table } from "../../ui/table";
import classes from "./home.module.css";

const SHOWN = 5;

/** Runs that ended, the newest first. */
export function Results({ jobs }: { jobs: readonly JobSummary[] }) {
  if (jobs.length === 0) return <Empty {...text.home.noResults} />;
  const words = text.home.table;
  return (
    <Table label={text.home.results}>
      <thead>
        <tr>
          <th scope="col">{words.name}</th>
          <th scope="col">{words.state}</th>
          <th scope="col">{words.data}</th>
          <th scope="col" data-number>
            {words.loss}
          </th>
          <th scope="col">{words.ended}</th>
        </tr>
      </thead>
      <tbody>
        {jobs.slice(0, SHOWN).map((job) => (
          <tr key={job.id}>
            <th scope="row" className={classes.result}>
              <Link to="/runs/$jobId" params={{ jobId: job.id }}>
                {job.name}
              </Link>
            </th>
            <td>
              <StateTag state={job.status} />
              {job.error && <div className={classes.why}>{job.error}</div>}
            </td>
            <td>{job.dataset}</td>
            <td data-number>{measured(lossOf(job))}</td>
            <td>{job.ended_at && moment(job.ended_at)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
