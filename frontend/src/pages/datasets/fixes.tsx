import { Button, Checkbox } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, body } from "../../api/client";
import { finished } from "../../api/operations";
import type { DatasetDetail, DatasetRevised, Finding, FixOffer } from "../../api/schema";
import { say, tell } from "../../shell/notices";
import { text } from "../../text";
import { Card, Empty } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Section } from "../../ui/page";
import classes from "./fixes.module.css";
import { changed, fixes } from "./queries";
import { Value } from "./value";

const words = text.datasets.fixes;

/** Fixes on offer: those for what was found are ticked, but for those that may take away too much. They can be tried before they are applied. */
export function Fixes({ dataset, findings }: { dataset: DatasetDetail; findings: readonly Finding[] }) {
  const { filename, version } = dataset;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const offered = useQuery(fixes(filename, version));
  const [chosen, setChosen] = useState<readonly FixOffer["name"][] | null>(null);
  const suggested =
    offered.data?.fixes.filter((each) => each.certain && (each.rows ?? 0) > 0).map((each) => each.name) ?? [];
  const names = chosen ?? suggested;

  const ask = async (dryRun: boolean) =>
    finished<DatasetRevised>(
      await body(
        api.POST("/api/datasets/{filename}/fixes", {
          params: { path: { filename } },
          body: { version, fixes: [...names], dry_run: dryRun },
        }),
      ),
    );
  const attempt = useMutation({ mutationFn: () => ask(true), onError: tell });
  const apply = useMutation({
    mutationFn: () => ask(false),
    onSuccess: async (result) => {
      say(result.made ? words.made(result.version) : words.same);
      await changed(queries, filename);
      await navigate({ to: ".", search: (before) => ({ ...before, version: undefined }) });
    },
    onError: tell,
  });

  const shown =
    offered.data?.fixes.filter((each) => each.rows !== 0 || each.codes.some(isFound(findings))) ?? [];
  return (
    <div id="fixes">
      <Section title={words.title}>
        {!offered.data ? (
          <Missing of={offered} />
        ) : shown.length === 0 ? (
          <Empty {...words.none} />
        ) : (
          <Card>
            <p className={classes.about}>{words.about}</p>
            <ul className={classes.offers}>
              {shown.map((each) => (
                <li key={each.name}>
                  <Checkbox
                    label={each.title}
                    description={words.affects(each.rows)}
                    checked={names.includes(each.name)}
                    onChange={(event) => {
                      attempt.reset();
                      setChosen(
                        event.target.checked
                          ? [...names, each.name]
                          : names.filter((name) => name !== each.name),
                      );
                    }}
                  />
                </li>
              ))}
            </ul>
            <div className={classes.actions}>
              <Button disabled={names.length === 0} loading={apply.isPending} onClick={() => apply.mutate()}>
                {words.apply}
              </Button>
              <Button
                variant="default"
                disabled={names.length === 0}
                loading={attempt.isPending}
                onClick={() => attempt.mutate()}
              >
                {words.try}
              </Button>
            </div>
            {attempt.data && <Outcome outcome={attempt.data} />}
          </Card>
        )}
      </Section>
    </div>
  );
}

const isFound = (findings: readonly Finding[]) => (code: string) =>
  findings.some((each) => each.code === code);

function Outcome({ outcome }: { outcome: DatasetRevised }) {
  const spared = outcome.steps.reduce((sum, step) => sum + step.spared, 0);
  return (
    <div className={classes.outcome}>
      <div role="status">
        <strong>{words.would}</strong>
        <p>
          {outcome.summary || words.same} · {words.usable(outcome.num_examples)}
          {spared > 0 && ` · ${words.spared(spared)}`}
        </p>
      </div>
      {outcome.examples.map((each) => (
        <div key={each.row} className={classes.example}>
          <span className={classes.row}>{words.example(each.row)}</span>
          <div>
            <span className={classes.label}>{words.before}</span>
            <Value value={each.before} />
          </div>
          <div>
            <span className={classes.label}>{words.after}</span>
            {each.after === null ? words.gone : <Value value={each.after} />}
          </div>
        </div>
      ))}
    </div>
  );
}
