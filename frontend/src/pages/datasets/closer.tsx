import { Button, NativeSelect, NumberInput, Progress, VisuallyHidden } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, body } from "../../api/client";
import type { Estimate, Examination } from "../../api/schema";
import { text } from "../../text";
import { Card, Empty } from "../../ui/card";
import { Figure, Figures } from "../../ui/figures";
import { count, duration } from "../../ui/format";
import { ModelInput, STARTER } from "../../ui/model-input";
import { Section } from "../../ui/page";
import { useDatasetAddress } from "./address";
import classes from "./dataset.module.css";
import { Findings } from "./findings";
import form from "./form.module.css";
import { Histogram } from "./histogram";
import { detail } from "./queries";
import { useWork } from "./work";

const words = text.datasets.closer;

/** A closer look over all rows together: asked for, awaited, and shown. */
export function Closer() {
  const { filename, version } = useDatasetAddress();
  const { data: dataset } = useQuery(detail(filename, version));
  const [model, setModel] = useState(STARTER);
  const [length, setLength] = useState<number | string>("");
  const [near, setNear] = useState<"sample" | "all">("sample");
  const look = useWork(filename, "check", () => {});

  function start(event: FormEvent): void {
    event.preventDefault();
    look.begin(() =>
      body(
        api.POST("/api/datasets/{filename}/check", {
          params: { path: { filename } },
          body: {
            version,
            near_duplicates: near,
            model_name: model.trim() || null,
            max_seq_length: typeof length === "number" ? length : null,
          },
        }),
      ),
    );
  }

  if (!dataset) return null;
  return (
    <>
      <p className={classes.about}>{words.about}</p>
      <form onSubmit={start} className={form.form}>
        <ModelInput label={words.model} placeholder={words.noModel} value={model} onChange={setModel} />
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
        {look.busy ? (
          <Button variant="default" type="button" onClick={look.cancel}>
            {words.cancel}
          </Button>
        ) : (
          <Button type="submit">{words.start}</Button>
        )}
      </form>
      {/* How far it is changes too often to be read out. */}
      <VisuallyHidden role="status">{look.busy && words.running}</VisuallyHidden>
      {look.busy && (
        <div>
          <Progress value={100 * (look.operation?.progress ?? 0)} aria-label={words.running} mb={6} />
          {look.operation?.message || words.running}
        </div>
      )}
      {dataset.examination ? (
        <Found filename={filename} version={version} found={dataset.examination} />
      ) : (
        !look.busy && <Empty {...words.none} />
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
