import { type ReactNode, useEffect, useRef } from "react";
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

/** The address whose page has the focus, so that the next one is noticed. */
let arrived: string | null = null;

/** A page with its title, which is the browser's too. Whoever comes to it from another page has the focus there. */
export function Page({ title, actions, above, about, narrow, children }: Props) {
  useEffect(() => {
    document.title = `${title} · ${text.shell.name}`;
  }, [title]);
  const heading = useRef<HTMLHeadingElement>(null);
  const page = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const [before, here] = [arrived, location.pathname];
    arrived = here;
    const focused = document.activeElement;
    // A page that was being loaded takes the focus with it when it goes.
    const lost = focused === document.body;
    if (before === null || (before === here && !lost) || page.current?.contains(focused)) return;
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div ref={page} className={classes.page} data-narrow={narrow || undefined}>
      {above && <div className={classes.above}>{above}</div>}
      <div className={classes.head}>
        <div>
          <h1 ref={heading} tabIndex={-1} className={classes.title}>
            {title}
          </h1>
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
