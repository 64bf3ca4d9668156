import { useMemo, useSyncExternalStore } from "react";
import { type ChartOf, Charts } from "../../curves/charts";
import { Curves } from "../../curves/curves";
import type { Live } from "../../curves/live";
import { text } from "../../text";
import { measureName } from "../../text/measures";
import type { Look } from "./run";
import classes from "./run.module.css";

const LOSSES = ["loss", "eval_loss"];
const FIRST = ["learning_rate", "grad_norm", "tokens_per_second", "memory_mb"];
/** A straight line that says nothing. */
const LEFT_OUT = ["train_tokens"];
const NONE = new Curves();

interface Props {
  id: string;
  live: Live;
  look: Look;
  change: (changes: Look) => void;
}

/** All that is measured while it trains. */
export function CurvesView({ id, live, look, change }: Props) {
  const curves = live.curves.get(id) ?? NONE;
  const names = useSyncExternalStore(curves.watch, curves.names);
  const charts = useMemo((): ChartOf[] => {
    const line = (measure: string) => ({ curves, measure, label: measureName(measure) });
    const first = FIRST.filter((name) => names.includes(name));
    const others = names.filter((name) => ![...LOSSES, ...FIRST, ...LEFT_OUT].includes(name));
    return [
      { title: text.run.chart.loss, lines: LOSSES.map(line) },
      ...[...first, ...others].map((name) => ({ title: measureName(name), lines: [line(name)] })),
    ];
  }, [curves, names]);
  return (
    <>
      <Charts live={live} charts={charts} look={look} change={change} />
      <p className={classes.hint} role="status">
        {live.loading ? text.run.chart.loading : text.run.chart.hint}
      </p>
    </>
  );
}
