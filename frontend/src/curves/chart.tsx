import "uplot/dist/uPlot.min.css";
import { ActionIcon, Popover, useComputedColorScheme, VisuallyHidden } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { text } from "../text";
import { count, measured } from "../ui/format";
import classes from "./chart.module.css";
import { drawn, type LineOf, type Range, tickLabels, type View, valueAt } from "./plot";

interface Props {
  title: string;
  about?: string;
  lines: readonly LineOf[];
  view: View;
  onRange: (range: Range) => void;
  height: number;
}

const COLOURS = 8;
/** Pixels beside the numbers of the axis, and of each of their characters. */
const MARGIN = 18;
const DIGIT = 7;
const colour = (line: number) => `--curve-${(line % COLOURS) + 1}`;

/**
 * Curves over the steps. It is drawn at most once a frame, however many points come; drag over a part to look at it
 * closely, or go along it with the arrow keys. `lines` and `onRange` must stay the same between renders.
 */
export default function Chart({ title, about, lines, view, onRange, height }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef(view);
  const redraw = useRef(() => {});
  const scheme = useComputedColorScheme();
  const [step, setStep] = useState<number | null>(null);
  const [spoken, setSpoken] = useState("");
  const [, setDrawn] = useState(0);
  const smoothed = view.smoothing > 0;
  shown.current = view;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another scheme has other colours
  useEffect(() => {
    const box = place.current;
    if (box === null) return;
    const style = getComputedStyle(box);
    const ink = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: ink("--mantine-color-dimmed"),
      grid: { stroke: ink("--studio-line"), width: 1 },
      ticks: { show: false },
      font: `11px ${style.fontFamily}`,
    };
    const made = new uPlot(
      {
        width: box.clientWidth,
        height,
        legend: { show: false },
        scales: {
          x: { time: false, range: (_, low, high) => [...(shown.current.range ?? widened(low, high))] },
          y: view.log ? { distr: 3 } : {},
        },
        axes: [
          { ...axis, incrs: WHOLE, values: (_, steps) => steps.map(count), size: 28 },
          {
            ...axis,
            values: (_, ticks) => tickLabels(ticks),
            size: (_, labels) => MARGIN + DIGIT * Math.max(4, ...(labels ?? []).map((each) => each.length)),
          },
        ],
        cursor: {
          y: false,
          points: { size: 7 },
          sync: { key: "steps", scales: ["x", null] },
          drag: { setScale: false, x: true, y: false },
          bind: {
            dblclick: () => () => {
              onRange(null);
              return null;
            },
          },
        },
        series: [
          {},
          ...lines.flatMap((_, line): uPlot.Series[] => {
            const stroke = ink(colour(line));
            const own = { stroke, spanGaps: true, width: 1.6, points: { size: 5, fill: stroke } };
            return smoothed ? [{ ...own, width: 1, alpha: 0.3, points: { show: false } }, own] : [own];
          }),
        ],
        hooks: {
          setCursor: [
            ({ cursor, data }) => setStep(cursor.idx == null ? null : (data[0][cursor.idx] ?? null)),
          ],
          setSelect: [
            (chart) => {
              const { left, width } = chart.select;
              if (width < 5) return;
              onRange([chart.posToVal(left, "x"), chart.posToVal(left + width, "x")]);
              chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
        },
      },
      drawn(lines, shown.current, 1),
      box,
    );
    plot.current = made;

    let frame = 0;
    const draw = () => {
      frame = 0;
      made.setData(drawn(lines, shown.current, Math.max(1, Math.round(made.over.clientWidth))));
      setDrawn((before) => before + 1);
    };
    redraw.current = () => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    redraw.current();
    const unwatch = [...new Set(lines.map((line) => line.curves))].map((curves) =>
      curves.watch(() => redraw.current()),
    );
    const sizes = new ResizeObserver(() => {
      made.setSize({ width: box.clientWidth, height });
      redraw.current();
    });
    sizes.observe(box);
    return () => {
      cancelAnimationFrame(frame);
      sizes.disconnect();
      for (const each of unwatch) each();
      made.destroy();
      plot.current = null;
    };
  }, [lines, view.log, smoothed, onRange, height, scheme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another view shows other points
  useEffect(() => redraw.current(), [view.range, view.smoothing]);

  function move(event: KeyboardEvent): void {
    // Keys of the buttons in it are their own.
    if (event.target !== event.currentTarget) return;
    const chart = plot.current;
    const steps = chart?.data[0];
    if (event.key === "Escape") onRange(null);
    if (chart == null || steps === undefined || steps.length === 0) return;
    const last = steps.length - 1;
    const now = chart.cursor.idx ?? last;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const there = steps[Math.min(last, Math.max(0, to))] as number;
    chart.setCursor({ left: chart.valToPos(there, "x"), top: 0 });
    const values = lines.map((line) => `${line.label} ${measured(valueAt(line, there))}`);
    setSpoken(`${text.run.chart.step(there)}: ${values.join(", ")}`);
  }

  const empty = lines.every(({ curves, measure }) => curves.get(measure) === undefined);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys read its values
    <figure className={classes.chart} tabIndex={0} aria-label={title} onKeyDown={move}>
      <figcaption className={classes.caption}>
        <span className={classes.title}>
          {title}
          {about !== undefined && <About title={title}>{about}</About>}
        </span>
        <span className={classes.readout}>
          {step !== null && <span>{text.run.chart.step(step)}</span>}
          {lines.map((line, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two runs may have the same name
            <span key={at} className={classes.line}>
              <span className={classes.swatch} style={{ background: `var(${colour(at)})` }} />
              {line.label !== title && line.label} <strong>{measured(valueAt(line, step))}</strong>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={place} className={classes.plot} data-empty={empty || undefined} style={{ height }}>
        {empty && <p className={classes.waiting}>{text.run.chart.waiting}</p>}
      </div>
      <VisuallyHidden role="status">{spoken}</VisuallyHidden>
    </figure>
  );
}

/** What the chart shows, for whoever asks. */
function About({ title, children }: { title: string; children: string }) {
  return (
    <Popover
      width={Math.min(320, window.innerWidth - 32)}
      position="bottom-start"
      trapFocus
      returnFocus
      withinPortal
      shadow="md"
    >
      <Popover.Target>
        <ActionIcon size={24} variant="subtle" color="gray" aria-label={text.run.chart.about(title)}>
          <IconInfoCircle size={15} aria-hidden />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown className={classes.about}>{children}</Popover.Dropdown>
    </Popover>
  );
}

/** One step alone would have no width. */
function widened(low: number, high: number): [number, number] {
  return low === high ? [low - 1, high + 1] : [low, high];
}

/** Between two numbers on the axis of steps: whole ones. */
const WHOLE = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();
