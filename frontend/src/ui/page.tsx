import { type ReactNode, useEffect } from "react";
import { text } from "../text";
import classes from "./page.module.css";

interface Props {
  title: string;
  /** What can be done on this page, beside its title. */
  actions?: ReactNode;
  /** Above the title: where this page belongs. */
  above?: ReactNode;
  /** Under the title, in a sentence. */
  about?: ReactNode;
  /** For pages of text and forms alone. */
  narrow?: boolean;
  children: ReactNode;
}

/** A page with its title, which is the browser's too. */
export function Page({ title, actions, above, about, narrow, children }: Props) {
  useEffect(() => {
    document.title = `${title} · ${text.shell.name}`;
  }, [title]);
  return (
    <div className={classes.page} data-narrow={narrow || undefined}>
      {above && <div className={classes.above}>{above}</div>}
      <div className={classes.head}>
        <div>
          <h1 className={classes.title}>{title}</h1>
          {about && <p className={classes.about}>{about}</p>}
        </div>
        {actions && <div className={classes.actions}>{actions}</div>}
      </div>
      {children}
    </div>
  );
}

interface SectionProps {
  title: string;
  actions?: ReactNode;
  children: ReactNode;
}

/** A part of a page under a heading of its own. */
export function Section({ title, actions, children }: SectionProps) {
  return (
    <section className={classes.section} aria-label={title}>
      <div className={classes.sectionHead}>
        <h2 className={classes.sectionTitle}>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}
