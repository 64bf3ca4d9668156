import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { DatasetDetail } from "../../api/schema";
import { text } from "../../text";
import { Card } from "../../ui/card";
import { Figure, Figures } from "../../ui/figures";
import { count, megabytes } from "../../ui/format";
import { Section } from "../../ui/page";
import { useDatasetAddress } from "./address";
import classes from "./dataset.module.css";
import { Findings } from "./findings";
import { Fixes } from "./fixes";
import { detail } from "./queries";

const words = text.datasets.report;

/** What was found in a dataset, and what can be done about it. */
export function Report() {
  const { filename, version } = useDatasetAddress();
  const { data: dataset } = useQuery(detail(filename, version));
  if (!dataset) return null;
  const { validation, examination } = dataset;
  const findings = [...validation.findings, ...(examination?.findings ?? [])];
  return (
    <>
      <Figures>
        <Figure label={words.usable}>
          {dataset.shape === null ? words.unknown : count(dataset.num_examples)}
        </Figure>
        <Figure label={words.bad}>
          {dataset.shape === null ? words.unknown : count(validation.num_bad)}
        </Figure>
        <Figure label={words.problems}>{count(findings.length)}</Figure>
        <Figure label={words.size}>{megabytes(dataset.size_mb)}</Figure>
      </Figures>
      {dataset.shape === null && (
        <Section title={words.unmapped.title}>
          <Card kind="warn">
            <p>{words.unmapped.detail}</p>
            <Button
              size="xs"
              renderRoot={(props) => (
                <Link
                  to="/datasets/$filename/columns"
                  params={{ filename }}
                  search={{ version }}
                  {...props}
                />
              )}
            >
              {words.unmapped.action}
            </Button>
          </Card>
        </Section>
      )}
      <Section title={words.found}>
        {findings.length > 0 ? (
          <Findings filename={filename} version={version} findings={findings} />
        ) : (
          <Card kind="good">
            <strong>{words.good.title}</strong>
            <p>{words.good.detail}</p>
          </Card>
        )}
      </Section>
      {/* What was chosen and tried is of one version. */}
      <Fixes key={dataset.version} dataset={dataset} findings={findings} />
      <Source dataset={dataset} />
    </>
  );
}

function Source({ dataset }: { dataset: DatasetDetail }) {
  const { source } = dataset.validation;
  return (
    <Section title={words.source}>
      <dl className={classes.source}>
        {source && (
          <>
            <dt>{words.format}</dt>
            <dd>{source.format}</dd>
          </>
        )}
        {source?.encoding && (
          <>
            <dt>{words.encoding}</dt>
            <dd>{source.encoding}</dd>
          </>
        )}
        {source?.delimiter && (
          <>
            <dt>{words.delimiter}</dt>
            <dd>{source.delimiter === "\t" ? words.tab : <code>{source.delimiter}</code>}</dd>
          </>
        )}
        {source && source.parts.length > 0 && (
          <>
            <dt>{words.parts}</dt>
            <dd>
              {source.parts.map((part) => `${part.name} (${text.datasets.rows(part.rows)})`).join(", ")}
            </dd>
          </>
        )}
        <dt>{words.path}</dt>
        <dd>
          <code>{dataset.path}</code>
        </dd>
        <dt>{words.sha}</dt>
        <dd>
          <code>{dataset.sha256}</code>
        </dd>
      </dl>
      {source && source.notes.length > 0 && (
        <ul className={classes.notes}>
          {source.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </Section>
  );
}
