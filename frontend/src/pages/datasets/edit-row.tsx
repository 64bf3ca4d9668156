import { Button, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import type { DatasetRecord } from "../../api/schema";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Dialog } from "../../ui/dialog";
import { Missing } from "../../ui/missing";
import { Refused } from "../../ui/refused";
import { type DraftField, drafted, isExact, isWritten, rowIn, rowOf } from "./draft";
import classes from "./edit-row.module.css";
import type { Editing } from "./editing";
import { rows } from "./queries";

const words = text.datasets.edit;

interface Props {
  filename: string;
  version: number;
  /** The row that is changed, if any is. */
  row: number | undefined;
  /** What other rows have. */
  fields: readonly string[];
  work: Editing;
  close: () => void;
}

/** A row to be changed by hand, or removed. */
export function EditRow({ filename, version, row, fields, work, close }: Props) {
  return (
    <Dialog
      opened={row !== undefined}
      onClose={close}
      size="lg"
      title={row !== undefined && words.title(row)}
    >
      {row !== undefined && (
        <Found key={row} filename={filename} version={version} row={row} fields={fields} work={work} />
      )}
    </Dialog>
  );
}

type FoundProps = Omit<Props, "row" | "close"> & { row: number };

function Found({ filename, version: newest, row, fields, work }: FoundProps) {
  // What is written is against the version that was read, also where there is a newer one meanwhile.
  const [version] = useState(newest);
  const found = useQuery(rows(filename, version, { offset: row - 1, limit: 1, search: undefined }));
  if (!found.data) return <Missing of={found} lines={6} />;
  const [record] = found.data.rows;
  if (record?.row !== row) return <Empty {...words.none} />;
  const save = (value: Record<string, unknown>) => work.edit({ version, edits: [{ row, value }] });
  return (
    <>
      <p className={classes.about}>{words.about(version)}</p>
      {record.problems.map((each) => (
        <p key={each} className={classes.problem}>
          {each}
        </p>
      ))}
      {work.error && <Refused error={work.error} />}
      <Form
        record={record}
        fields={fields}
        busy={work.busy}
        save={save}
        remove={() => work.edit({ version, deletes: [row] })}
      />
    </>
  );
}

interface FormProps {
  record: DatasetRecord;
  fields: readonly string[];
  busy: boolean;
  save: (value: Record<string, unknown>) => void;
  remove: () => void;
}

function Form({ record, fields, busy, save, remove }: FormProps) {
  const { value } = record;
  const [draft, setDraft] = useState<readonly DraftField[]>(value ? drafted(value, fields) : []);
  const [line, setLine] = useState(record.text);
  const [asked, setAsked] = useState(false);
  const first = useRef<HTMLTextAreaElement>(null);
  // The dialog was there before the row was.
  useEffect(() => first.current?.focus(), []);

  function submit(event: FormEvent): void {
    event.preventDefault();
    setAsked(true);
    const row = value ? draft.every(isWritten) && rowOf(draft) : rowIn(line);
    if (row) save(row);
  }

  const exact = isExact(value);
  return (
    <form onSubmit={submit} className={classes.form}>
      {!exact && <p className={classes.problem}>{words.inexact}</p>}
      {value ? (
        draft.map((field, at) => (
          <Textarea
            key={field.name}
            ref={at === 0 ? first : undefined}
            data-autofocus={at === 0 || undefined}
            label={field.name}
            description={field.json ? words.json : undefined}
            error={asked && !isWritten(field) ? words.wrong : undefined}
            autosize
            minRows={1}
            maxRows={14}
            value={field.typed}
            onChange={({ target }) => setDraft(draft.with(at, { ...field, typed: target.value }))}
          />
        ))
      ) : (
        <Textarea
          ref={first}
          data-autofocus
          label={words.line}
          error={asked && rowIn(line) === null ? words.noObject : undefined}
          autosize
          minRows={3}
          maxRows={14}
          value={line}
          onChange={({ target }) => setLine(target.value)}
        />
      )}
      <div className={classes.actions}>
        {exact && (
          <Button type="submit" loading={busy}>
            {words.save}
          </Button>
        )}
        <Button variant="default" disabled={busy} onClick={remove}>
          {words.remove}
        </Button>
      </div>
    </form>
  );
}
