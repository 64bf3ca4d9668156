import { NativeSelect, useMantineColorScheme } from "@mantine/core";
import { text } from "../text";

const SCHEMES = ["auto", "light", "dark"] as const;

/** Light, dark, or as the system is; kept in this browser. */
export function SchemeChoice() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <NativeSelect
      size="xs"
      aria-label={text.shell.scheme.label}
      value={colorScheme}
      onChange={(event) => setColorScheme(SCHEMES.find((each) => each === event.target.value) ?? "auto")}
      data={SCHEMES.map((value) => ({ value, label: text.shell.scheme[value] }))}
    />
  );
}
