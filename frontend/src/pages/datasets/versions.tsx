import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { DatasetVersion, RowDifference } from "../../api/schema";
import { text } from "../../text";
import { Empty, Tag } from "../../ui/card";
import { count, moment } from "../../ui/format";
import { Missing } from "../../ui/missing";
import { Section } from "../../ui/page";
import { Table } from "../../ui/table";
import { useDatasetAddress } from "./address";
import classes from "./fixes.module.css";
import { comparison, versions } from "./queries";
import { Value } from "./value";

const words = text.datasets.versions;
const here = getRouteApi("/datasets/$filename/versions");
const KINDS = { added: "good", removed: "bad", changed: "accent" } as const;

/** All versions, what made them, and what is different between two. */
export function Versions() {
  const { filename, version } = useDatasetAddress();
  const { from, to } = here.useSearch();
  const all = useQuery(versions(filename));
  if (!all.data) return <Missing of={all} />;
  return (
    <>
      <All filename={filename} shown={version} versions={all.data.versions.toReversed()} />
      {from !== undefined && to !== undefined && (
        <Section title={words.compared(from, to)}>
          <Comparison filename={filename} from={from} to={to} />
        </Section>
      )}
    </>
  );
}

interface AllProps {
  filename: string;
  shown: number | undefined;
  versions: readonly DatasetVersion[];
}

function All({ filename, shown, versions }: AllProps) {
  return (
    <Table label={text.datasets.tabs.versions}>
      <thead>
        <tr>
          <th scope="col">{text.datasets.ofVersion}</th>
          <th scope="col">{words.what}</th>
          <th scope="col" data-number>
            {text.datasets.table.examples}
          </th>
          <th scope="col">{words.when}</th>
          <th scope="col">{words.compare}</th>
        </tr>
      </thead>
      <tbody>
        {versions.map((each, index) => {
          const before = versions[index + 1]?.version;
          return (
            <tr key={each.id}>
              <th scope="row">
                <Link
                  to="/datasets/$filename"
                  params={{ filename }}
                  search={{ version: index === 0 ? undefined : each.version }}
                  aria-current={each.version === (shown ?? versions[0]?.version) ? "true" : undefined}
                >
                  {text.datasets.version(each.version)}
                </Link>{" "}
                {index === 0 && <Tag>{text.datasets.newest}</Tag>}
              </th>
              <td>{each.change ? `${words.how[each.change.how]}: ${each.change.summary}` : words.unknown}</td>
              <td data-number>{count(each.num_examples)}</td>
              <td>{moment(each.uploaded_at)}</td>
              <td>
                {before !== undefined && (
                  <Link
                    to="/datasets/$filename/versions"
                    params={{ filename }}
                    search={{ version: shown, from: before, to: each.version }}
                  >
                    {words.with(before)}
                  </Link>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </Table>
  );
}

function Comparison({ filename, from, to }: { filename: string; from: number; to: number }) {
  const found = useQuery(comparison(filename, from, to));
  if (!found.data) return <Missing of={found} />;
  const { same, added, removed, changed, differences, total } = found.data;
  return (
    <>
      <p>{words.sum(same, added, removed, changed)}</p>
      {total === 0 && <Empty title={words.none} detail="" />}
      {differences.map((each) => (
        <Difference key={`${each.from_row} ${each.to_row}`} difference={each} />
      ))}
      {total > differences.length && <p>{words.shown(differences.length, total)}</p>}
    </>
  );
}

function Difference({ difference }: { difference: RowDifference }) {
  const row = difference.to_row ?? difference.from_row;
  return (
    <div className={classes.example}>
      <span className={classes.row}>
        {row !== null && text.datasets.report.line(row)}
        <br />
        <Tag kind={KINDS[difference.kind]}>{words.kinds[difference.kind]}</Tag>
      </span>
      <div>{difference.before !== null && <Value value={difference.before} only={difference.fields} />}</div>
      <div>{difference.after !== null && <Value value={difference.after} only={difference.fields} />}</div>
    </div>
  );
}
