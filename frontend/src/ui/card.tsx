import type { ReactNode } from "react";
import classes from "./card.module.css";

/** A surface; its kind gives what it says a colour. */
export function Card({ kind, children }: { kind?: "bad" | "warn" | "good" | "quiet"; children: ReactNode }) {
  return (
    <div className={classes.card} data-kind={kind}>
      {children}
    </div>
  );
}

/** What stands where there is nothing yet, and what would stand there. */
export function Empty({ title, detail, children }: { title: string; detail: string; children?: ReactNode }) {
  return (
    <div className={classes.empty}>
      <strong>{title}</strong>
      <p>{detail}</p>
      {children}
    </div>
  );
}

/** A word with a colour. */
export function Tag({ kind, children }: { kind?: "bad" | "warn" | "good" | "accent"; children: ReactNode }) {
  return (
    <span className={classes.tag} data-kind={kind}>
      {children}
    </span>
  );
}
