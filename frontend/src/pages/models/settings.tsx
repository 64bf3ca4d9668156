import type { ModelDetail } from "../../api/schema";
import { text } from "../../text";
import { measured } from "../../ui/format";
import { More, Pairs } from "../../ui/pairs";

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
  const pairs = (chosen: readonly string[]) =>
    chosen.map((name) => [name, <code key={name}>{name}</code>, shown(params[name])] as const);
  return (
    <>
      <Pairs of={pairs(FIRST.filter((name) => name in params))} />
      <More title={text.models.settings.all(names.length)}>
        <Pairs of={pairs(names)} />
      </More>
    </>
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
