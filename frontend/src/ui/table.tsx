import type { ReactNode } from "react";
import classes from "./table.module.css";

/** A table that scrolls sideways where the page is narrow; with the keyboard as well. Numbers: `<td data-number>`. */
export function Table({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms, and a section would be one more landmark
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <div role="group" className={classes.scroll} tabIndex={0} aria-label={label}>
      <table className={classes.table}>{children}</table>
    </div>
  );
}
