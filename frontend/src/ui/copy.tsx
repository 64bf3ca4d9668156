import { Button } from "@mantine/core";
import { useRef, useState } from "react";
import { text } from "../text";
import classes from "./copy.module.css";

const SAID_MS = 2000;

/** Text to copy. Browsers lend the clipboard to encrypted pages alone; elsewhere the text is selected instead. */
export function Copy({ label, children }: { label: string; children: string }) {
  const [copied, setCopied] = useState(false);
  const place = useRef<HTMLPreElement>(null);

  async function copy(): Promise<void> {
    if (navigator.clipboard === undefined) {
      if (place.current) getSelection()?.selectAllChildren(place.current);
      return;
    }
    await navigator.clipboard.writeText(children);
    setCopied(true);
    setTimeout(() => setCopied(false), SAID_MS);
  }

  return (
    <div className={classes.copy}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <section tabIndex={0} aria-label={label} className={classes.text}>
        <pre ref={place}>{children}</pre>
      </section>
      <Button size="compact-xs" variant="default" className={classes.button} onClick={() => void copy()}>
        <span aria-live="polite">{copied ? text.shell.copied : text.shell.copy}</span>
      </Button>
    </div>
  );
}
