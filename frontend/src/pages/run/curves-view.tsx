import { Button } from "@mantine/core";
import { useMemo } from "react";
import type { JobDetail } from "../../api/schema";
import { type ChartOf, Charts } from "../../curves/charts";
import { csvOf } from "../../curves/csv";
import { Curves } from "../../curves/curves";
import type { Live } from "../../curves/live";
import { useMeasured } from "../../curves/names";
import { text } from "../../text";
import { measureAbout, measureName } from "../../text/measures";
import { save } from "../../ui/save";
import type { Look } from "./run";
import classes from "./run.module.css";

const LOSSES = ["loss", "eval_loss"];
const FIRST = ["learning_rate", "grad_norm", "tokens_per_second", "memory_mb"];
/** A straight line that says nothing. */
const LEFT_OUT = ["train_tokens"];
const NONE = new Curves();

interface Props {
  job: JobDetail;
  live: Live;
  look: Look;
  change: (changes: Look) => void;
}

/** All that is measured while it trains. */
export function CurvesView({ job, live, look, change }: Props) {
  const curves = live.curves.get(job.id) ?? NONE;
  const names = useMeasured(live.curves);
  const words = text.run.chart;
  const charts = useMemo((): ChartOf[] => {
    const line = (measure: string) => ({ curves, measure, label: measureName(measure) });
    const first = FIRST.filter((name) => names.includes(name));
    const others = names.filter((name) => ![...LOSSES, ...FIRST, ...LEFT_OUT].includes(name));
    return [
      { title: words.loss, about: words.aboutLoss, lines: LOSSES.map(line) },
      ...[...first, ...others].map((name) => ({
        title: measureName(name),
        about: measureAbout(name),
        lines: [line(name)],
      })),
    ];
  }, [curves, names, words]);
  return (
    <>
      <Charts live={live} charts={charts} look={look} change={change} />
      <div className={classes.under}>
        <p className={classes.hint} role="status">
          {live.loading ? words.loading : words.hint}
        </p>
        {names.length > 0 && (
          <Button
            size="xs"
            variant="default"
            disabled={live.loading}
            onClick={() => save(new Blob([csvOf(curves)], { type: "text/csv" }), `${job.name}.csv`)}
          >
            {words.csv}
          </Button>
        )}
      </div>
    </>
  );
}
