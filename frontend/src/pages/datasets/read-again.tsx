import { Autocomplete, Button, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { text } from "../../text";
import { More } from "../../ui/pairs";
import classes from "./form.module.css";
import type { Reading, ReadOption } from "./reading";

const words = text.datasets.readAgain;

/** Has what was refused read once more, in the way that a person says. */
export function ReadAgain({
  options,
  read,
}: {
  options: readonly ReadOption[];
  read: (reading: Reading) => void;
}) {
  const [reading, setReading] = useState<Reading>({});

  function submit(event: FormEvent): void {
    event.preventDefault();
    read(reading);
  }

  if (options.length === 0) {
    return (
      <Button mt={10} size="xs" variant="default" onClick={() => read({})}>
        {text.shell.retry}
      </Button>
    );
  }
  return (
    <More title={words.title}>
      <form onSubmit={submit} className={classes.form}>
        {options.map((option) => (
          <Option
            key={option}
            option={option}
            reading={reading}
            change={(to) => setReading({ ...reading, ...to })}
          />
        ))}
        <Button type="submit">{words.read}</Button>
      </form>
    </More>
  );
}

interface OptionProps {
  option: ReadOption;
  reading: Reading;
  change: (to: Reading) => void;
}

function Option({ option, reading, change }: OptionProps) {
  const [label, placeholder] = [words[option], words.foundOut];
  switch (option) {
    case "header":
      return (
        <NativeSelect
          label={label}
          value={String(reading.header ?? "")}
          onChange={({ target }) => change({ header: HEADERS[target.value] ?? null })}
          data={[
            { value: "", label: placeholder },
            { value: "true", label: words.named },
            { value: "false", label: words.unnamed },
          ]}
        />
      );
    case "encoding":
    case "delimiter":
      return (
        <Autocomplete
          label={label}
          placeholder={placeholder}
          data={USUAL[option]}
          value={reading[option] ?? ""}
          onChange={(typed) => change({ [option]: typed || null })}
        />
      );
    case "sheet":
    case "field":
      return (
        <TextInput
          label={label}
          placeholder={placeholder}
          value={reading[option] ?? ""}
          onChange={({ target }) => change({ [option]: target.value || null })}
        />
      );
  }
}

const HEADERS: Record<string, boolean> = { true: true, false: false };
const USUAL = {
  encoding: ["utf-8", "cp1252", "utf-16", "shift_jis", "gb18030"],
  delimiter: [",", ";", "tab", "|"],
};
