import { TextInput } from "@mantine/core";
import { useState } from "react";

interface Props {
  label: string;
  description: string;
  placeholder: string;
  /** What the request says. */
  value: string | undefined;
  /** Whether that stands in the list above, too. */
  listed: boolean;
  error: string | undefined;
  onChange: (value: string | undefined) => void;
}

/** What stands in no list, by its name. The name of one that does may be the beginning of another's: what is typed
 * stays until a choice in the list takes its place. */
export function Elsewhere({ value = "", listed, error, onChange, ...words }: Props) {
  const [typed, setTyped] = useState(listed ? "" : value);
  const chosen = listed ? "" : value;
  if (typed !== value && typed !== chosen) setTyped(chosen);
  return (
    <TextInput
      {...words}
      autoComplete="off"
      spellCheck={false}
      value={typed}
      error={listed ? undefined : error}
      onChange={(event) => {
        setTyped(event.target.value);
        onChange(event.target.value || undefined);
      }}
    />
  );
}
