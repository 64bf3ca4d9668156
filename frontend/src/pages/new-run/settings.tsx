import { Button, TextInput } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useState } from "react";
import { text } from "../../text";
import { type Changes, differing, type Field, found, type Given, grouped, shown } from "./fields";
import { More } from "./more";
import classes from "./new-run.module.css";
import { Option } from "./option";

const words = text.newRun;

interface Props {
  given: Given;
  /** Those that are not asked for elsewhere on the page. */
  fields: readonly Field[];
  /** The configuration as the server fills it in. */
  filled: Readonly<Record<string, unknown>>;
  problems: ReadonlyMap<string, string>;
  set: (changes: Changes) => void;
}

/** What was set, to be taken back; and every option, in groups, with a search. */
export function Settings({ given, fields, filled, problems, set }: Props) {
  const [search, setSearch] = useState("");
  const differ = differing(given, fields);
  const advanced = fields.filter((field) => field.advanced);
  const hits = new Set(found(advanced, search));
  // What is wrong is in sight, whatever is looked for.
  const groups = grouped(advanced.filter((field) => hits.has(field) || problems.has(field.name)));
  const option = (field: Field) => (
    <Option
      key={field.name}
      field={field}
      value={given[field.name]}
      filled={filled[field.name]}
      error={problems.get(field.name)}
      onChange={(value) => set({ [field.name]: value })}
    />
  );

  return (
    <div className={classes.fields}>
      <div className={classes.options}>{fields.filter((field) => !field.advanced).map(option)}</div>
      {differ.length > 0 && (
        <div>
          <h3 className={classes.label}>{words.differing}</h3>
          <ul className={classes.chips}>
            {differ.map((field) => (
              <li key={field.name}>
                <Button
                  size="compact-sm"
                  variant="light"
                  radius="xl"
                  rightSection={<IconX size={13} aria-hidden />}
                  aria-label={words.reset(field.label, shown(given[field.name], field.kind))}
                  onClick={() => set({ [field.name]: undefined })}
                >
                  {field.label}: {shown(given[field.name], field.kind)}
                </Button>
              </li>
            ))}
          </ul>
          {differ.length > 1 && (
            <Button
              size="compact-sm"
              variant="subtle"
              onClick={() => set(Object.fromEntries(differ.map((field) => [field.name, undefined])))}
            >
              {words.resetAll}
            </Button>
          )}
        </div>
      )}
      <More title={words.advanced} wanted={advanced.some((field) => problems.has(field.name))}>
        <TextInput
          type="search"
          aria-label={words.search}
          placeholder={words.search}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        {groups.length === 0 && <p className={classes.small}>{words.searchNothing}</p>}
        {groups.map(([group, members]) => (
          <section key={group} className={classes.group}>
            <h3>{group || words.otherOptions}</h3>
            <div className={classes.options}>{members.map(option)}</div>
          </section>
        ))}
      </More>
    </div>
  );
}
