import type { MemoryFit } from "../../api/schema";
import { text } from "../../text";
import { bytes } from "../../ui/format";
import classes from "./new-run.module.css";

const MB = 1_000_000;
const words = text.newRun.verdict;
const PARTS = ["weights", "adapter", "optimizer", "activations", "logits", "overhead"] as const;

/** What takes how much, as one bar whose length is the machine's memory, or the need where that is more. */
export function Memory({ memory }: { memory: MemoryFit }) {
  const whole = Math.max(memory.has_mb, memory.needs_mb);
  const needs = bytes(memory.needs_mb * MB);
  const has = bytes(memory.has_mb * MB);
  const parts = PARTS.filter((part) => memory.parts[part] > 0);
  return (
    <>
      <p className={classes.small}>
        {memory.fits_now
          ? words.fits(needs, has)
          : memory.fits
            ? words.fitsNotNow(needs, bytes(memory.free_mb * MB))
            : words.fitsNot(needs, bytes(memory.least_mb * MB), has)}
      </p>
      <div className={classes.bar} data-fits={memory.fits_now || undefined} aria-hidden>
        {parts.map((part) => (
          <span
            key={part}
            data-part={part}
            style={{ inlineSize: `${(100 * memory.parts[part]) / whole}%` }}
          />
        ))}
        {memory.needs_mb > memory.has_mb && (
          <i className={classes.limit} style={{ insetInlineStart: `${(100 * memory.has_mb) / whole}%` }} />
        )}
      </div>
      <ul className={classes.legend} aria-label={words.parts}>
        {parts.map((part) => (
          <li key={part}>
            <i data-part={part} aria-hidden />
            {words.part[part]} <b>{bytes(memory.parts[part] * MB)}</b>
          </li>
        ))}
      </ul>
    </>
  );
}
