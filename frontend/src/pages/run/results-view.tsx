import type { JobDetail } from "../../api/schema";
import { text } from "../../text";
import { measureName } from "../../text/run";
import { Empty } from "../../ui/card";
import { measured } from "../../ui/format";
import { Table } from "../../ui/table";
import { measures } from "../runs/differences";

/** What was measured at the end, and the same of what it was trained from. */
export function ResultsView({ job }: { job: JobDetail }) {
  const words = text.run.results;
  if (!job.metrics) return <Empty {...words.none} />;
  return (
    <Table label={text.run.views.results}>
      <thead>
        <tr>
          <th scope="col">{words.measure}</th>
          <th scope="col" data-number>
            {words.before}
          </th>
          <th scope="col" data-number>
            {words.after}
          </th>
        </tr>
      </thead>
      <tbody>
        {measures(job.metrics).map(({ name, before, after }) => (
          <tr key={name}>
            <th scope="row">{measureName(name)}</th>
            <td data-number>{before === null ? "" : measured(before)}</td>
            <td data-number>{measured(after)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
