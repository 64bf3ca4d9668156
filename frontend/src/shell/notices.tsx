import { Notification } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { Refusal } from "../api/client";
import { text } from "../text";
import classes from "./notices.module.css";

interface Notice {
  id: number;
  kind: "done" | "refused";
  title?: string;
  words: string;
}

const SHOWN_MS = 6000;
const listeners = new Set<() => void>();
let notices: readonly Notice[] = [];
let last = 0;

/** Say that something was done. It goes by itself. */
export function say(words: string): void {
  const id = add({ kind: "done", words });
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Say why something was not done, in the server's words. It stays until it is dismissed. */
export function tell(error: unknown): void {
  if (error instanceof Refusal) add({ kind: "refused", title: error.title, words: error.detail });
  else {
    console.error(error);
    add({ kind: "refused", title: text.shell.fault.title, words: text.shell.fault.detail });
  }
}

function add(notice: Omit<Notice, "id">): number {
  last += 1;
  // The same refusal twice is one.
  change([...notices.filter((each) => each.words !== notice.words), { ...notice, id: last }]);
  return last;
}

function dismiss(id: number): void {
  change(notices.filter((each) => each.id !== id));
}

function change(to: readonly Notice[]): void {
  notices = to;
  for (const listener of listeners) listener();
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Notices() {
  const shown = useSyncExternalStore(listen, () => notices);
  return (
    <div className={classes.notices}>
      {shown.map((each) => (
        <Notification
          key={each.id}
          role={each.kind === "refused" ? "alert" : "status"}
          color={each.kind === "refused" ? "red" : "green"}
          title={each.title}
          withBorder
          closeButtonProps={{ "aria-label": text.shell.dismiss }}
          onClose={() => dismiss(each.id)}
        >
          {each.words}
        </Notification>
      ))}
    </div>
  );
}
