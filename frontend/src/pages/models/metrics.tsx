import type { ModelDetail } from "../../api/schema";
import { text } from "../../text";
import { Tag } from "../../ui/card";
import { measured } from "../../ui/format";
import { Table } from "../../ui/table";
import { alone, compared } from "./measures";
import classes from "./models.module.css";

/** What was measured before and after, side by side, and what was measured once. */
export function Metrics({ metrics }: { metrics: ModelDetail["metrics"] }) {
  const words = text.models.metrics;
  const both = compared(metrics);
  const once = alone(metrics);
  return (
    <>
      {both.length === 0 ? (
        <p className={classes.quiet}>{words.none}</p>
      ) : (
        <>
          <p className={classes.quiet}>{words.about}</p>
          <Table label={words.label}>
            <thead>
              <tr>
                <th scope="col">{words.metric}</th>
                <th scope="col" data-number>
                  {words.before}
                </th>
                <th scope="col" data-number>
                  {words.after}
                </th>
                <th scope="col" data-number>
                  {words.change}
                </th>
              </tr>
            </thead>
            <tbody>
              {both.map(({ name, before, after, better }) => (
                <tr key={name}>
                  <th scope="row" className={classes.name}>
                    {text.models.metric[name] ?? name}
                  </th>
                  <td data-number>{measured(before)}</td>
                  <td data-number>{measured(after)}</td>
                  <td data-number>
                    <Tag kind={better === null ? undefined : better ? "good" : "warn"}>
                      {after > before && "+"}
                      {measured(after - before)}
                    </Tag>
                  </td>
                </tr>
              ))}
            </tbody>
          </Table>
        </>
      )}
      {once.length > 0 && (
        <details className={classes.details}>
          <summary>{words.also}</summary>
          <dl className={classes.pairs}>
            {once.map(([name, value]) => (
              <div key={name}>
                <dt>{text.models.metric[name] ?? name}</dt>
                <dd>{measured(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </>
  );
}
