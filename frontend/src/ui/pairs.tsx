import type { ReactNode } from "react";
import classes from "./pairs.module.css";

/** Names and values side by side, in as many columns as there is room for. */
export function Pairs({ of }: { of: readonly (readonly [name: string, label: ReactNode, value: string])[] }) {
  return (
    <dl className={classes.pairs}>
      {of.map(([name, label, value]) => (
        <div key={name}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What few want to read, one step further. */
export function More({ title, children }: { title: string; children: ReactNode }) {
  return (
    <details className={classes.more}>
      <summary>{title}</summary>
      {children}
    </details>
  );
}
