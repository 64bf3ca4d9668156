import type { MemoryFit } from "../../api/schema";
import { text } from "../../text";
import { megabytes } from "../../ui/format";
import classes from "./new-run.module.css";

const words = text.newRun.verdict;
const PARTS = ["weights", "adapter", "optimizer", "activations", "logits", "overhead"] as const;

/** What takes how much, as one bar whose length is the machine's memory, or the need where that is more. */
export function Memory({ memory }: { memory: MemoryFit }) {
  const whole = Math.max(memory.has_mb, memory.needs_mb);
  const needs = megabytes(memory.needs_mb);
  const has = megabytes(memory.has_mb);
  const parts = PARTS.filter((part) => memory.parts[part] > 0);
  return (
    <>
      <p className={classes.small}>
        {memory.fits_now
          ? words.fits(needs, has)
          : memory.fits
            ? words.fitsNotNow(needs, megabytes(memory.free_mb))
            : words.fitsNot(needs, megabytes(memory.least_mb), has)}
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
            {words.part[part]} <b>{megabytes(memory.parts[part])}</b>
          </li>
        ))}
      </ul>
    </>
  );
}
