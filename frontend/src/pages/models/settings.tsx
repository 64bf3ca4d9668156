import type { ModelDetail } from "../../api/schema";
import { text } from "../../text";
import { measured } from "../../ui/format";
import classes from "./models.module.css";

/** What decides most about a training; the rest is one step further. */
const FIRST = [
  "num_epochs",
  "batch_size",
  "gradient_accumulation_steps",
  "learning_rate",
  "lora_r",
  "max_seq_length",
];

/** The settings that it was trained with, by the names that requests give them. */
export function Settings({ params }: { params: ModelDetail["training_params"] }) {
  const names = Object.keys(params).sort();
  return (
    <>
      <Pairs params={params} names={FIRST.filter((name) => name in params)} />
      <details className={classes.details}>
        <summary>{text.models.settings.all(names.length)}</summary>
        <Pairs params={params} names={names} />
      </details>
    </>
  );
}

function Pairs({ params, names }: { params: ModelDetail["training_params"]; names: readonly string[] }) {
  return (
    <dl className={classes.pairs}>
      {names.map((name) => (
        <div key={name}>
          <dt>
            <code>{name}</code>
          </dt>
          <dd>{shown(params[name])}</dd>
        </div>
      ))}
    </dl>
  );
}

function shown(value: unknown): string {
  const words = text.models.settings;
  if (value === null) return words.none;
  if (value === true) return words.yes;
  if (value === false) return words.no;
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : measured(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
