import { Button, SegmentedControl } from "@mantine/core";
import { lazy, type ReactNode, Suspense, useMemo, useState } from "react";
import { text } from "../text";
import { Loading } from "../ui/loading";
import { Refused } from "../ui/refused";
import classes from "./charts.module.css";
import type { Live } from "./live";
import type { ChartLook } from "./look";
import type { LineOf, Range, View } from "./plot";

const Chart = lazy(() => import("./chart"));

/** Weights of what came before. */
const SMOOTHINGS = { none: 0, some: 0.6, much: 0.95 } as const;
type Smoothing = keyof typeof SMOOTHINGS;

export interface ChartOf {
  title: string;
  /** What it shows, and what is good. */
  about?: string;
  lines: readonly LineOf[];
}

interface Props {
  live: Live;
  charts: readonly ChartOf[];
  look: ChartLook;
  change: (changes: ChartLook) => void;
  /** Choices that stand before those of how they are drawn. */
  children?: ReactNode;
}

/** The first is large, the others stand beside each other below it; above all, how they are drawn. */
export function Charts({ live, charts, look, change, children }: Props) {
  const [range, setRange] = useState<Range>(null);
  const view = useMemo(
    () => ({ log: look.log ?? false, smoothing: look.smooth ?? 0, range }),
    [look.log, look.smooth, range],
  );
  return (
    <>
      <Choices view={view} change={change} onRange={setRange}>
        {children}
      </Choices>
      {live.error && <Refused error={live.error} retry={live.again} />}
      <Suspense fallback={<Loading lines={6} />}>
        <div className={classes.charts}>
          {charts.map(({ title, about, lines }, at) => (
            <Chart
              key={title}
              title={title}
              about={about}
              lines={lines}
              view={view}
              onRange={setRange}
              height={at === 0 ? 280 : 170}
            />
          ))}
        </div>
      </Suspense>
    </>
  );
}

interface ChoicesProps {
  view: View;
  change: (changes: ChartLook) => void;
  onRange: (range: Range) => void;
  children: ReactNode;
}

function Choices({ view, change, onRange, children }: ChoicesProps) {
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
          onChange={(value) => change({ log: value === "log" || undefined })}
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
          onChange={(value) => change({ smooth: SMOOTHINGS[value as Smoothing] || undefined })}
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
