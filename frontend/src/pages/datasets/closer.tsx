import { Button, NativeSelect, NumberInput, Progress } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { api, body } from "../../api/client";
import { finished } from "../../api/operations";
import type { Estimate, Examination, Operation } from "../../api/schema";
import { tell } from "../../shell/notices";
import { text } from "../../text";
import { Card, Empty } from "../../ui/card";
import { Figure, Figures } from "../../ui/figures";
import { count, duration } from "../../ui/format";
import { ModelInput, STARTER } from "../../ui/model-input";
import { Section } from "../../ui/page";
import { useDatasetAddress } from "./address";
import classes from "./dataset.module.css";
import { Findings } from "./findings";
import { Histogram } from "./histogram";
import { changed, detail } from "./queries";

const words = text.datasets.closer;

/** A closer look over all rows together: asked for, awaited, and shown. */
export function Closer() {
  const { filename, version } = useDatasetAddress();
  const queries = useQueryClient();
  const { data: dataset } = useQuery(detail(filename, version));
  const [model, setModel] = useState(STARTER);
  const [length, setLength] = useState<number | string>("");
  const [near, setNear] = useState<"sample" | "all">("sample");
  const [operation, setOperation] = useState<Operation | null>(null);
  const cancel = useRef<AbortController>(null);

  const look = useMutation({
    mutationFn: async () => {
      cancel.current = new AbortController();
      const begun = await body(
        api.POST("/api/datasets/{filename}/check", {
          params: { path: { filename } },
          body: {
            version,
            near_duplicates: near,
            model_name: model.trim() || null,
            max_seq_length: typeof length === "number" ? length : null,
          },
        }),
      );
      return finished<Examination>(begun, setOperation, cancel.current.signal);
    },
    onSuccess: () => changed(queries, filename),
    onError: (error) => {
      if (error.name !== "AbortError") tell(error);
    },
    onSettled: () => setOperation(null),
  });

  function start(event: FormEvent): void {
    event.preventDefault();
    look.mutate();
  }

  if (!dataset) return null;
  return (
    <>
      <p className={classes.about}>{words.about}</p>
      <form onSubmit={start} className={classes.form}>
        <ModelInput label={words.model} value={model} onChange={setModel} />
        <NumberInput
          label={words.length}
          placeholder={words.lengthHint}
          min={1}
          max={1_048_576}
          allowDecimal={false}
          value={length}
          onChange={setLength}
        />
        <NativeSelect
          label={words.near}
          value={near}
          onChange={(event) => setNear(event.target.value === "all" ? "all" : "sample")}
          data={[
            { value: "sample", label: words.sample },
            { value: "all", label: words.all },
          ]}
        />
        {look.isPending ? (
          <Button variant="default" type="button" onClick={() => cancel.current?.abort()}>
            {words.cancel}
          </Button>
        ) : (
          <Button type="submit">{words.start}</Button>
        )}
      </form>
      {look.isPending && (
        <div role="status">
          <Progress value={100 * (operation?.progress ?? 0)} aria-label={words.running} mb={6} />
          {operation?.message || words.running}
        </div>
      )}
      {dataset.examination ? (
        <Found filename={filename} version={version} found={dataset.examination} />
      ) : (
        !look.isPending && <Empty {...words.none} />
      )}
    </>
  );
}

function Found({
  filename,
  version,
  found,
}: {
  filename: string;
  version: number | undefined;
  found: Examination;
}) {
  const { near_duplicates: near, token_lengths: lengths } = found;
  return (
    <>
      <Section
        title={words.result}
        actions={<small>{words.took(duration(found.seconds), found.version)}</small>}
      >
        <Figures>
          <Figure label={words.exact}>{count(found.exact_duplicates)}</Figure>
          <Figure label={words.conflicts}>{count(found.conflicting_answers)}</Figure>
          <Share label={words.nearRows} of={near.near} />
          <Share label={words.leaked} of={near.leaked} />
          <Share label={words.cut} of={lengths?.cut ?? null} />
          <Share label={words.cutAway} of={lengths?.cut_away ?? null} />
        </Figures>
      </Section>
      {lengths && (
        <Section title={words.lengths(lengths.model_name)}>
          <Card>
            <Histogram lengths={lengths} />
            <p>
              {words.summary(lengths.median, lengths.p90, lengths.longest)}{" "}
              {lengths.max_seq_length !== null && words.limit(lengths.max_seq_length)}
            </p>
          </Card>
        </Section>
      )}
      {found.findings.length > 0 && (
        <Section title={text.datasets.report.found}>
          <Findings filename={filename} version={version} findings={found.findings} />
        </Section>
      )}
    </>
  );
}

/** A share of all rows; where not all were looked at, with the bounds between which it lies. */
function Share({ label, of }: { label: string; of: Estimate | null }) {
  if (of === null) return null;
  return (
    <Figure label={label} note={words.estimate(of.found, of.rows)}>
      {words.share(of.share, of.low, of.high, of.rows === of.of)}
    </Figure>
  );
}
