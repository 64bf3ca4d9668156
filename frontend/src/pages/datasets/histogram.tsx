import type { TokenLengths } from "../../api/schema";
import { text } from "../../text";
import { count } from "../../ui/format";
import classes from "./histogram.module.css";

const words = text.datasets.closer;

/** How many rows are how long: a table whose numbers are bars as well. */
export function Histogram({ lengths }: { lengths: TokenLengths }) {
  const most = Math.max(...lengths.histogram.map((bin) => bin.rows));
  return (
    <table className={classes.histogram}>
      <thead>
        <tr>
          <th scope="col">{words.tokens}</th>
          <th scope="col">{words.rowsHead}</th>
        </tr>
      </thead>
      <tbody>
        {lengths.histogram.map((bin) => (
          <tr
            key={bin.up_to}
            data-cut={(lengths.max_seq_length !== null && bin.up_to > lengths.max_seq_length) || undefined}
          >
            <th scope="row">{words.bar(bin.up_to)}</th>
            <td>
              <div className={classes.value}>
                <span className={classes.bar} style={{ width: `${(80 * bin.rows) / most}%` }} />
                {count(bin.rows)}
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
