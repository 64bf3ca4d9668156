import { type ReactNode, useId } from "react";
import classes from "./choices.module.css";

export interface Choice {
  value: string;
  title: string;
  about?: ReactNode;
  /** A word or two beside the title. */
  tag?: ReactNode;
}

interface Props {
  label: string;
  choices: readonly Choice[];
  value: string | undefined;
  onChange: (value: string) => void;
  error?: string;
  /** Side by side where there is room, or each on a line of its own. */
  layout?: "grid" | "list";
}

/** One of several, each with a sentence: radio buttons that look like cards. */
export function Choices({ label, choices, value, onChange, error, layout = "grid" }: Props) {
  const name = useId();
  const words = `${name}-error`;
  return (
    <fieldset className={classes.choices} aria-describedby={error ? words : undefined}>
      <legend className={classes.legend}>{label}</legend>
      {/* A list that is long scrolls by itself; the radio buttons in it are what the keyboard reaches. */}
      <div className={classes[layout]} data-thirds={choices.length % 3 === 0 || undefined}>
        {choices.map((each) => (
          <label key={each.value} className={classes.choice} data-chosen={each.value === value || undefined}>
            <input
              type="radio"
              name={name}
              value={each.value}
              checked={each.value === value}
              onChange={() => onChange(each.value)}
              aria-invalid={error !== undefined && each.value === value ? true : undefined}
            />
            <span className={classes.words}>
              <span className={classes.head}>
                <span className={classes.title}>{each.title}</span>
                {each.tag}
              </span>
              {each.about && <span className={classes.about}>{each.about}</span>}
            </span>
          </label>
        ))}
      </div>
      {error && (
        <p id={words} className={classes.error}>
          {error}
        </p>
      )}
    </fieldset>
  );
}
