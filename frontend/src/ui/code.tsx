import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { text } from "../text";
import classes from "./code.module.css";
import { Scrolled } from "./scrolled";

const SHOWN_MS = 2000;

type State = "copy" | "copied" | "selected";

/** Text to be used elsewhere, with a button that copies it. */
export function Code({ label, children }: { label: string; children: string }) {
  const shown = useRef<HTMLElement>(null);
  const [state, setState] = useState<State>("copy");

  useEffect(() => {
    if (state === "copy") return;
    const timer = setTimeout(() => setState("copy"), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [state]);

  async function copy(): Promise<void> {
    // Browsers let no page that came over plain HTTP from another machine write to the clipboard.
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(children);
      setState("copied");
    } else if (shown.current) {
      getSelection()?.selectAllChildren(shown.current);
      setState("selected");
    }
  }

  return (
    <div className={classes.block}>
      <Scrolled place={shown} className={classes.code} label={label}>
        {children}
      </Scrolled>
      <Button className={classes.copy} size="compact-xs" variant="default" onClick={copy} aria-live="polite">
        {text.shell.copying[state]}
      </Button>
    </div>
  );
}
