import { NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Value } from "../../api/fields";
import { text } from "../../text";
import { type Field, parsed, shown } from "./fields";
import classes from "./new-run.module.css";

interface Props {
  field: Field;
  value: unknown;
  /** What the server fills in where the request says nothing. */
  filled: unknown;
  error: string | undefined;
  onChange: (value: Value | undefined) => void;
}

/** One option of a training, with its hint and what is wrong with it. */
export function Option({ field, value, filled, error, onChange }: Props) {
  const held = shown(value, field.kind);
  const [typed, setTyped] = useState(held);
  // Somebody else changed it: a preset, or a button that makes it fit.
  if (typed !== held && shown(parsed(field, typed), field.kind) !== held) setTyped(held);

  function type(entered: string): void {
    setTyped(entered);
    onChange(parsed(field, entered));
  }

  const limits =
    field.kind === "lines" && field.choices.length > 0
      ? text.newRun.oneOf(field.choices.join(", "))
      : field.bounds;
  const common = {
    id: `option-${field.name}`,
    label: (
      <>
        {field.label} <code className={classes.optionName}>{field.name}</code>
      </>
    ),
    description: [field.about, limits].filter(Boolean).join(" "),
    error,
    value: typed,
  };
  const usual = shown(filled ?? field.preset, field.kind);
  const nothing = usual ? text.newRun.usual(usual) : text.newRun.automatic;

  if (field.kind === "choice" || field.kind === "flag") {
    const choices =
      field.kind === "flag" ? FLAGS : field.choices.map((each) => ({ value: each, label: each }));
    const named =
      field.kind === "flag" ? (FLAGS.find((each) => each.value === usual)?.label ?? usual) : usual;
    return (
      <NativeSelect
        {...common}
        data={[{ value: "", label: named ? text.newRun.usual(named) : text.newRun.automatic }, ...choices]}
        onChange={(event) => type(event.target.value)}
      />
    );
  }
  if (field.kind === "lines") {
    return (
      <Textarea
        {...common}
        autosize
        minRows={1}
        placeholder={nothing}
        onChange={(event) => type(event.target.value)}
      />
    );
  }
  return (
    <TextInput
      {...common}
      inputMode={field.kind === "whole" || field.kind === "number" ? "decimal" : undefined}
      placeholder={nothing}
      autoComplete="off"
      onChange={(event) => type(event.target.value)}
    />
  );
}

const FLAGS = [
  { value: "true", label: text.newRun.yes },
  { value: "false", label: text.newRun.no },
];
