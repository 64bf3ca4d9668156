import { Button, NativeSelect, NumberInput } from "@mantine/core";
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, body } from "../../api/client";
import { catalogue } from "../../api/queries";
import type { DatasetPreview, PreviewRequest, PreviewRow, PreviewSequence, ShapeUse } from "../../api/schema";
import { text } from "../../text";
import { Card, Tag } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { ModelInput, STARTER } from "../../ui/model-input";
import { useDatasetAddress } from "./address";
import shared from "./dataset.module.css";
import form from "./form.module.css";
import classes from "./preview.module.css";
import { detail } from "./queries";

const words = text.datasets.preview;
const here = getRouteApi("/datasets/$filename/preview");
const SHOWN = 5;

const preview = (filename: string, request: PreviewRequest) =>
  queryOptions({
    queryKey: ["dataset", filename, "preview", request],
    queryFn: ({ signal }) =>
      body(
        api.POST("/api/datasets/{filename}/preview", {
          params: { path: { filename } },
          body: request,
          signal,
        }),
      ),
    staleTime: Infinity,
  });

/** Rows token by token, as a training gives them to the model. */
export function Preview() {
  const { filename, version } = useDatasetAddress();
  const { data: dataset } = useQuery(detail(filename, version));
  const known = useQuery(catalogue);
  if (!dataset) return null;
  if (!known.data) return <Missing of={known} lines={6} />;
  const uses = known.data.shapes.find((each) => each.name === dataset.shape)?.uses ?? [];
  if (uses.length === 0) {
    return (
      <Card kind="warn">
        <strong>{words.unmapped.title}</strong>
        <p>{words.unmapped.detail}</p>
      </Card>
    );
  }
  return <Rendered filename={filename} version={dataset.version} uses={uses} />;
}

function Rendered({
  filename,
  version,
  uses,
}: {
  filename: string;
  version: number;
  uses: readonly ShapeUse[];
}) {
  const { model = STARTER, line = 1, task } = here.useSearch();
  const navigate = useNavigate({ from: "/datasets/$filename/preview" });
  const [typed, setTyped] = useState<{ model: string; line: number | string }>({ model, line });
  const chosen = uses.find((each) => each.task === task) ?? (uses[0] as ShapeUse);
  const shown = useQuery({
    ...preview(filename, {
      task: chosen.task,
      strategy: chosen.strategies[0],
      version,
      model_name: model,
      offset: line - 1,
      limit: SHOWN,
    }),
    placeholderData: keepPreviousData,
  });

  function show(event: FormEvent): void {
    event.preventDefault();
    void navigate({
      search: (before) => ({ ...before, model: typed.model.trim(), line: Number(typed.line) || 1 }),
    });
  }

  return (
    <>
      <p className={shared.about}>{words.about}</p>
      <form onSubmit={show} className={form.form}>
        <ModelInput
          required
          label={words.model}
          value={typed.model}
          onChange={(model) => setTyped({ ...typed, model })}
        />
        {uses.length > 1 && (
          <NativeSelect
            label={words.task}
            value={chosen.task}
            onChange={(event) => navigate({ search: (before) => ({ ...before, task: event.target.value }) })}
            data={uses.map(({ task }) => ({ value: task, label: text.names.tasks[task] ?? task }))}
          />
        )}
        <NumberInput
          label={words.line}
          min={1}
          allowDecimal={false}
          value={typed.line}
          onChange={(line) => setTyped({ ...typed, line })}
        />
        <Button type="submit">{words.show}</Button>
      </form>
      {shown.data ? (
        <Shown preview={shown.data} busy={shown.isFetching} />
      ) : (
        <>
          {!shown.error && <p>{words.loading}</p>}
          <Missing of={shown} lines={6} />
        </>
      )}
    </>
  );
}

function Shown({ preview, busy }: { preview: DatasetPreview; busy: boolean }) {
  return (
    <div aria-busy={busy} className={classes.shown}>
      <p className={classes.legend}>
        <mark className={classes.trained}>{words.trained}</mark>{" "}
        <span className={classes.read}>{words.read}</span>
        <span>
          {words.limit(preview.max_seq_length)}. {preview.chat_template ? words.template : words.plain}
        </span>
      </p>
      {preview.rows.map((row) => (
        <Row key={row.line} row={row} />
      ))}
    </div>
  );
}

function Row({ row }: { row: PreviewRow }) {
  return (
    <section aria-label={text.datasets.report.line(row.line)}>
      <Card>
        <div className={classes.head}>
          <strong>{text.datasets.report.line(row.line)}</strong>
          {!row.used && <Tag kind="bad">{words.unused}</Tag>}
          {row.held_out && <Tag kind="accent">{words.heldOut}</Tag>}
          {row.cut > 0 && <Tag kind="warn">{words.cut(row.cut)}</Tag>}
        </div>
        {row.why && <p>{row.why}</p>}
        {row.examples.flatMap((example, number) =>
          example.sequences.map((sequence) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: examples have no other name
            <Sequence key={`${number} ${sequence.name}`} sequence={sequence} />
          )),
        )}
      </Card>
    </section>
  );
}

function Sequence({ sequence }: { sequence: PreviewSequence }) {
  return (
    <div className={classes.sequence}>
      <div className={classes.counts}>
        {words.names[sequence.name]} · {words.counts(sequence.num_tokens, sequence.num_trained)}
      </div>
      <div className={classes.tokens}>
        {runs(sequence).map(({ at, trained, text }) =>
          trained ? (
            <mark key={at} className={classes.trained}>
              {text}
            </mark>
          ) : (
            <span key={at} className={classes.read}>
              {text}
            </span>
          ),
        )}
      </div>
    </div>
  );
}

interface Run {
  at: number;
  trained: boolean;
  text: string;
}

/** Neighbouring tokens of the same kind as one: a browser draws ten spans faster than thousands. */
function runs({ tokens }: PreviewSequence): Run[] {
  const found: Run[] = [];
  tokens.forEach((token, at) => {
    const last = found.at(-1);
    if (last && last.trained === token.trained) last.text += token.text;
    else found.push({ at, trained: token.trained, text: token.text });
  });
  return found;
}
