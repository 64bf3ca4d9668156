import { Link } from "@tanstack/react-router";
import type { Finding } from "../../api/schema";
import { text } from "../../text";
import { Tag } from "../../ui/card";
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
        <li key={`${finding.code} ${finding.message}`} className={classes.finding}>
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
                  search={{ version, after: line > 1 ? line - 1 : undefined }}
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
            {finding.fix && (
              <Link to="/datasets/$filename" params={{ filename }} search={{ version }} hash="fixes">
                {words.fixThis}
              </Link>
            )}
          </p>
        </li>
      ))}
    </ul>
  );
}
