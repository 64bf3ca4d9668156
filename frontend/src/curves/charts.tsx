import { Button, SegmentedControl } from "@mantine/core";
import { lazy, type ReactNode, Suspense } from "react";
import { text } from "../text";
import { Loading } from "../ui/loading";
import classes from "./charts.module.css";
import type { LineOf, Range, View } from "./plot";

const Chart = lazy(() => import("./chart"));

/** Weights of what came before. */
export const SMOOTHINGS = { none: 0, some: 0.6, much: 0.95 } as const;
type Smoothing = keyof typeof SMOOTHINGS;

export interface ChartOf {
  title: string;
  lines: readonly LineOf[];
}

interface Props {
  charts: readonly ChartOf[];
  view: View;
  onRange: (range: Range) => void;
}

/** The first is large, the others stand beside each other below it. */
export function Charts({ charts, view, onRange }: Props) {
  return (
    <Suspense fallback={<Loading lines={6} />}>
      <div className={classes.charts}>
        {charts.map(({ title, lines }, at) => (
          <Chart
            key={title}
            title={title}
            lines={lines}
            view={view}
            onRange={onRange}
            height={at === 0 ? 280 : 170}
          />
        ))}
      </div>
    </Suspense>
  );
}

interface ChoicesProps {
  view: View;
  onLog: (log: boolean) => void;
  onSmoothing: (weight: number) => void;
  onRange: (range: Range) => void;
  children?: ReactNode;
}

/** How curves are drawn. */
export function ChartChoices({ view, onLog, onSmoothing, onRange, children }: ChoicesProps) {
  const words = text.run.chart;
  const smoothing = (Object.keys(SMOOTHINGS) as Smoothing[]).find(
    (each) => SMOOTHINGS[each] === view.smoothing,
  );
  return (
    <fieldset className={classes.choices} aria-label={words.choices}>
      {children}
      <Choice label={words.scale}>
        <SegmentedControl
          size="xs"
          aria-label={words.scale}
          value={view.log ? "log" : "linear"}
          onChange={(value) => onLog(value === "log")}
          data={[
            { value: "linear", label: words.linear },
            { value: "log", label: words.log },
          ]}
        />
      </Choice>
      <Choice label={words.smoothing}>
        <SegmentedControl
          size="xs"
          aria-label={words.smoothing}
          value={smoothing ?? "none"}
          onChange={(value) => onSmoothing(SMOOTHINGS[value as Smoothing])}
          data={Object.entries(words.smoothings).map(([value, label]) => ({ value, label }))}
        />
      </Choice>
      {view.range !== null && (
        <Button size="xs" variant="default" onClick={() => onRange(null)}>
          {words.all}
        </Button>
      )}
    </fieldset>
  );
}

function Choice({ label, children }: { label: string; children: ReactNode }) {
  return (
    <span className={classes.choice}>
      <span aria-hidden>{label}</span>
      {children}
    </span>
  );
}
