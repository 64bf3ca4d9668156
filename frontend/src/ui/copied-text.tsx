import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { text } from "../text";
import classes from "./copied-text.module.css";
import { Scrolled } from "./scrolled";

/** Text to be used elsewhere. A page that came without TLS from another machine may not write the clipboard. */
export function CopiedText({ label, content }: { label: string; content: string }) {
  const clipboard = useClipboard({ timeout: 2000 });
  return (
    <div className={classes.box}>
      <div className={classes.head}>
        <strong>{label}</strong>
        {window.isSecureContext && (
          <Button size="compact-xs" variant="default" onClick={() => clipboard.copy(content)}>
            {clipboard.copied ? text.run.copied : text.run.copy}
          </Button>
        )}
      </div>
      <Scrolled className={classes.text} label={label}>
        {content}
      </Scrolled>
    </div>
  );
}
