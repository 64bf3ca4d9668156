import { Link } from "@tanstack/react-router";
import type { Finding } from "../../api/schema";
import { text } from "../../text";
import { Card, Tag } from "../../ui/card";
import classes from "./findings.module.css";

const words = text.datasets.report;
const KINDS = { error: "bad", warning: "warn", note: undefined } as const;
const ORDER = ["error", "warning", "note"] as const;

interface Props {
  filename: string;
  version: number | undefined;
  findings: readonly Finding[];
}

/** Kinds of problem, the worst first, with the lines that have them and the first of them to see. */
export function Findings({ filename, version, findings }: Props) {
  const sorted = findings.toSorted(
    (one, other) => ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity),
  );
  return (
    <ul className={classes.findings}>
      {sorted.map((finding) => (
        <li key={`${finding.code} ${finding.message}`}>
          <Card>
            <div className={classes.head}>
              <Tag kind={KINDS[finding.severity]}>{words.severities[finding.severity]}</Tag>
              <strong className={classes.message}>{finding.message}</strong>
              <span className={classes.count}>{text.datasets.rows(finding.count)}</span>
            </div>
            {finding.rows.length > 0 && (
              <div className={classes.lines}>
                {words.lines}{" "}
                {finding.rows.map((line) => (
                  <Link
                    key={line}
                    to="/datasets/$filename/rows"
                    params={{ filename }}
                    search={{ version, after: before(line) }}
                    aria-label={words.line(line)}
                  >
                    {line}
                  </Link>
                ))}
                {finding.count > finding.rows.length && (
                  <span>{words.more(finding.count - finding.rows.length)}</span>
                )}
              </div>
            )}
            {finding.excerpt && <pre className={classes.excerpt}>{finding.excerpt}</pre>}
            <p className={classes.advice}>
              {finding.advice}{" "}
              {version === undefined && finding.severity !== "note" && finding.rows[0] !== undefined && (
                <>
                  <Link
                    to="/datasets/$filename/rows"
                    params={{ filename }}
                    search={{ after: before(finding.rows[0]), edit: finding.rows[0] }}
                  >
                    {words.edit(finding.rows[0])}
                  </Link>{" "}
                </>
              )}
              {finding.fix && (
                <Link to="/datasets/$filename" params={{ filename }} search={{ version }} hash="fixes">
                  {words.fixThis}
                </Link>
              )}
            </p>
          </Card>
        </li>
      ))}
    </ul>
  );
}

/** After which row a page begins with this one. */
function before(line: number): number | undefined {
  return line > 1 ? line - 1 : undefined;
}
