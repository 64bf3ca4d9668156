import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { text } from "../text";
import classes from "./ask.module.css";
import { Dialog } from "./dialog";

interface Props {
  title: string;
  /** What happens then. */
  children: ReactNode;
  action: string;
  opened: boolean;
  busy: boolean;
  onClose: () => void;
  onConfirm: () => void;
}

/** Asks before something is done that cannot be undone. */
export function Ask({ title, children, action, opened, busy, onClose, onConfirm }: Props) {
  return (
    <Dialog opened={opened} onClose={onClose} title={title}>
      {children}
      <div className={classes.answers}>
        <Button variant="default" onClick={onClose} data-autofocus>
          {text.shell.cancel}
        </Button>
        <Button color="red.8" loading={busy} onClick={onConfirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
