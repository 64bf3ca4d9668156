import { type ReactNode, useState } from "react";
import classes from "./new-run.module.css";

interface Props {
  title: string;
  /** Something inside is to be seen. When that is over it stays open: somebody is at work there. */
  wanted: boolean;
  children: ReactNode;
}

/** What not everybody needs, behind its title. */
export function More({ title, wanted, children }: Props) {
  const [open, setOpen] = useState(wanted);
  const [before, setBefore] = useState(wanted);
  if (before !== wanted) {
    setBefore(wanted);
    if (wanted) setOpen(true);
  }
  return (
    <details className={classes.more} open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {children}
    </details>
  );
}
