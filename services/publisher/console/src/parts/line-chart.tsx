/** Rates over time, on uPlot. Its canvas says nothing to who cannot see it: the figures stand in the legend beside it. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clockTime } from "../i18n/format.ts";
import { theme } from "../state/preferences.ts";

/** What is shown, whatever is known of it: the line moves in from the right. */
const SPAN_S = 300;

export interface Series {
  readonly label: string;
  /** Custom property of the colour, as `--series-1`. */
  readonly color: string;
  readonly dash?: readonly number[];
  readonly values: readonly number[];
}

interface LineChartProps {
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height: number;
  readonly label: string;
}

export function LineChart({ times, series, height, label }: LineChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const chosen = theme.value;
  const names = series.map((one) => one.label).join();

  // A new chart is made when its colours or words change; data follow below
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const make = (): void => {
      chart.current?.destroy();
      chart.current = new uPlot(options(element, series, height), dataOf(times, series), element);
    };
    make();
    const resized = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    return () => {
      scheme.removeEventListener("change", make);
      resized.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [chosen, names, height]);

  useEffect(() => {
    chart.current?.setData(dataOf(times, series));
  }, [times, series]);

  return <div ref={place} class="line-chart" role="img" aria-label={label} />;
}

function dataOf(times: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  return [[...times], ...series.map((one) => [...one.values])];
}

function options(element: HTMLElement, series: readonly Series[], height: number): uPlot.Options {
  const axis = { stroke: colorOf(element, "--text-2"), grid: { stroke: colorOf(element, "--line"), width: 1 } };
  const font = "11px system-ui, sans-serif";
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 24, 0, 0],
    scales: {
      x: { range: (_, __, last) => [last - SPAN_S, last] },
      y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
    },
    axes: [
      { ...axis, font, ticks: { show: false }, space: 90, size: 26, values: (_, times) => times.map(clockOf) },
      { ...axis, font, ticks: { show: false }, size: 44, space: 28 },
    ],
    series: [
      {},
      ...series.map(({ label, color, dash }) => ({
        label,
        stroke: colorOf(element, color),
        width: 1.5,
        points: { show: false },
        ...(dash === undefined ? {} : { dash: [...dash] }),
      })),
    ],
  };
}

/** Hours to seconds of a time in seconds since 1970. */
function clockOf(time: number): string {
  return clockTime(time * 1_000).slice(0, 8);
}

/** A canvas knows no custom properties; what one stands for is read from an element that has it. */
function colorOf(element: HTMLElement, property: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${property})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
