import { text } from "../text";
import { measureName } from "../text/measures";
import { Tag } from "../ui/card";
import { measured } from "../ui/format";
import { More, Pairs } from "../ui/pairs";
import { Table } from "../ui/table";
import classes from "./before-after.module.css";
import { measures } from "./measures";

interface Props {
  metrics: Readonly<Record<string, number>>;
  /** Whether it was measured on rows that the training did not learn from. */
  heldOut: boolean;
}

/** What was measured before and after a training, side by side, and what was measured once. */
export function BeforeAfter({ metrics, heldOut }: Props) {
  const words = text.measures;
  const all = measures(metrics);
  const both = all.filter((each) => each.before !== null);
  const once = all.filter((each) => each.before === null);
  return (
    <>
      {both.length === 0 ? (
        <p className={classes.quiet}>{words.none}</p>
      ) : (
        <>
          <p className={classes.quiet}>{heldOut ? words.heldOut : words.learnt}</p>
          <Table label={words.label}>
            <thead>
              <tr>
                <th scope="col">{words.measure}</th>
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
                  <th scope="row">{measureName(name)}</th>
                  <td data-number>{measured(before)}</td>
                  <td data-number>{measured(after)}</td>
                  <td data-number>
                    <Tag kind={better === null ? undefined : better ? "good" : "warn"}>
                      {changeOf(after - (before ?? 0))}
                    </Tag>
                  </td>
                </tr>
              ))}
            </tbody>
          </Table>
        </>
      )}
      {once.length > 0 && (
        <More title={words.also}>
          <Pairs of={once.map(({ name, after }) => [name, measureName(name), measured(after)])} />
        </More>
      )}
    </>
  );
}

function changeOf(difference: number): string {
  return `${difference > 0 ? "+" : ""}${measured(difference)}`;
}
