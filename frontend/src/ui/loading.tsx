import { Skeleton } from "@mantine/core";
import { text } from "../text";
import classes from "./loading.module.css";

/** In the place of what is on its way. */
export function Loading({ lines = 3 }: { lines?: number }) {
  return (
    <div className={classes.loading} role="status" aria-label={text.shell.loading}>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <Skeleton key={line} height={18} width={`${[92, 78, 85][line % 3]}%`} />
      ))}
    </div>
  );
}
