import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, body } from "../../api/client";
import { catalogue } from "../../api/queries";
import type {
  Column,
  DatasetRevised,
  ShapeChoice,
  SuggestedMapping,
  SuggestedMappings,
} from "../../api/schema";
import { say } from "../../shell/notices";
import { text } from "../../text";
import { Card } from "../../ui/card";
import { percent } from "../../ui/format";
import { Missing } from "../../ui/missing";
import { Section } from "../../ui/page";
import { Table } from "../../ui/table";
import { useDatasetAddress } from "./address";
import classes from "./columns.module.css";
import shared from "./dataset.module.css";
import { mapping } from "./queries";
import { Value } from "./value";
import { useWork, type Work } from "./work";

const words = text.datasets.columns;

/** Which column is what: suggested by the server, changed by hand, and applied to all rows. */
export function Columns() {
  const { filename, version } = useDatasetAddress();
  const found = useQuery(mapping(filename, version));
  const known = useQuery(catalogue);
  const navigate = useNavigate();
  // Here rather than in the form, which is another one as soon as there is a new version.
  const apply = useWork<DatasetRevised>(filename, "map", (result) => {
    say(result.made ? words.made(result.version, result.num_examples) : words.same);
    void navigate({ to: "/datasets/$filename", params: { filename } });
  });
  if (!found.data) return <Missing of={found} lines={6} />;
  if (!known.data) return <Missing of={known} lines={6} />;
  // Another version's columns are another form.
  return (
    <Mapping
      key={found.data.version}
      filename={filename}
      found={found.data}
      shapes={known.data.shapes}
      apply={apply}
    />
  );
}

interface Draft {
  shape: string;
  fields: Record<string, string>;
}

interface MappingProps {
  filename: string;
  found: SuggestedMappings;
  shapes: readonly ShapeChoice[];
  apply: Work;
}

function Mapping({ filename, found, shapes, apply }: MappingProps) {
  const [draft, setDraft] = useState<Draft>(
    found.suggestions[0]?.mapping ?? { shape: shapes[0]?.name ?? "", fields: {} },
  );

  function submit(event: FormEvent): void {
    event.preventDefault();
    apply.begin(() =>
      body(
        api.POST("/api/datasets/{filename}/mapping", {
          params: { path: { filename } },
          body: { version: found.version, shape: draft.shape, fields: filled(draft.fields) },
        }),
      ),
    );
  }

  const shape = shapes.find((each) => each.name === draft.shape);
  // A suggestion may have other fields than the shape's usual ones.
  const fields = new Set([
    ...(shape?.optional ?? []),
    ...(shape?.fields ?? []),
    ...Object.keys(draft.fields),
  ]);
  return (
    <>
      <p className={shared.about}>{words.about}</p>
      <Section title={words.mapping}>
        <Card>
          <form onSubmit={submit} className={classes.form}>
            <NativeSelect
              label={words.shape}
              value={draft.shape}
              onChange={(event) => setDraft({ shape: event.target.value, fields: {} })}
              data={shapes.map(({ name }) => ({
                value: name,
                label: text.datasets.shapes[name] ?? name,
              }))}
            />
            {[...fields].map((field) => (
              <Field
                key={field}
                name={field}
                required={shape?.fields.includes(field) ?? true}
                value={draft.fields[field] ?? ""}
                columns={found.columns}
                change={(value) => setDraft({ ...draft, fields: { ...draft.fields, [field]: value } })}
              />
            ))}
            <div>
              <Button type="submit" loading={apply.busy}>
                {words.apply}
              </Button>
            </div>
          </form>
        </Card>
      </Section>
      {found.suggestions.length > 0 && (
        <Section title={words.suggestions}>
          <ul className={classes.suggestions}>
            {found.suggestions.map((each) => (
              <Suggestion key={JSON.stringify(each.mapping)} suggestion={each} take={setDraft} />
            ))}
          </ul>
        </Section>
      )}
      <Section title={words.found}>
        <Table label={words.found}>
          <thead>
            <tr>
              <th scope="col">{words.name}</th>
              <th scope="col">{words.kind}</th>
              <th scope="col" data-number>
                {words.filled}
              </th>
              <th scope="col">{words.example}</th>
            </tr>
          </thead>
          <tbody>
            {found.columns.map((column) => (
              <tr key={column.name}>
                <th scope="row">{column.name}</th>
                <td>{column.kind}</td>
                <td data-number>{percent(column.filled)}</td>
                <td>
                  <Value value={column.example} />
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      </Section>
    </>
  );
}

interface FieldProps {
  name: string;
  required: boolean;
  value: string;
  columns: readonly Column[];
  change: (value: string) => void;
}

/** What a field is made of, with the columns to choose from. */
function Field({ name, required, value, columns, change }: FieldProps) {
  return (
    <div>
      <TextInput
        label={words.fields[name] ?? name}
        description={required ? undefined : words.optional}
        required={required}
        value={value}
        onChange={(event) => change(event.target.value)}
        className={classes.field}
      />
      <div className={classes.chips}>
        {columns.map((column) => (
          <button
            key={column.name}
            type="button"
            className={classes.chip}
            aria-label={words.insert(column.name, words.fields[name] ?? name)}
            onClick={() =>
              change(`${value}${value && !value.endsWith(" ") ? " " : ""}${inBraces(column.name)}`)
            }
          >
            {column.name}
          </button>
        ))}
      </div>
    </div>
  );
}

function Suggestion({ suggestion, take }: { suggestion: SuggestedMapping; take: (mapping: Draft) => void }) {
  const { mapping, reason, usable, looked_at: lookedAt, examples } = suggestion;
  return (
    <li>
      <Card>
        <div className={classes.suggestionHead}>
          <div>
            <strong>{text.datasets.shapes[mapping.shape] ?? mapping.shape}</strong>
            <p>
              {reason}. {words.looked(usable, lookedAt)}.
            </p>
          </div>
          <Button size="xs" variant="default" onClick={() => take(mapping)}>
            {words.take}
          </Button>
        </div>
        {examples[0] && <Value value={examples[0]} />}
      </Card>
    </li>
  );
}

/** Braces of a name itself are doubled. */
function inBraces(column: string): string {
  return `{${column.replaceAll("{", "{{").replaceAll("}", "}}")}}`;
}

function filled(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value.trim() !== ""));
}
