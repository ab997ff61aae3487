/**
 * Rates over time, as SVG: the last SPAN_S seconds. The legend has the figures for readers who cannot see the picture.
 */
import { clockTime, count } from "../i18n/format.ts";

/** Always this long: a new line enters from the right. */
const SPAN_S = 300;
const EVERY_S = 60;
/** Horizontal lines, without the one at zero. */
const STEPS = 4;

export interface Series {
  readonly label: string;
  /** CSS class of the colour: `series-1`. */
  readonly color: string;
  readonly dash?: readonly number[];
  readonly values: readonly number[];
}

interface LineChartProps {
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly label: string;
}

export function LineChart({ times, series, label }: LineChartProps) {
  const last = times.at(-1) ?? 0;
  const step = stepOf(series.reduce((most, { values }) => Math.max(most, ...values), 1));
  const left = (time: number): number => 100 - (100 * (last - time)) / SPAN_S;
  const top = (value: number): number => 100 - (100 * value) / (step * STEPS);
  const first = Math.ceil((last - SPAN_S) / EVERY_S) * EVERY_S;
  const minutes = Array.from({ length: SPAN_S / EVERY_S }, (_, at) => first + at * EVERY_S);
  const levels = Array.from({ length: STEPS + 1 }, (_, at) => at * step);
  return (
    <div class="line-chart" role="img" aria-label={label}>
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
        <path class="grid" d={levels.map((value) => `M0 ${top(value)}h100`).join("")} />
        <path class="grid" d={minutes.map((time) => `M${left(time)} 0v100`).join("")} />
        {series.map(({ label: name, color, dash, values }) => (
          <path
            key={name}
            class={color}
            d={pathOf(times, values, left, top)}
            {...(dash === undefined ? {} : { "stroke-dasharray": dash.join(" ") })}
          />
        ))}
      </svg>
      {levels.map((value) => (
        <span key={value} class="level" style={{ top: `${top(value)}%` }}>
          {count(value)}
        </span>
      ))}
      {last > 0 &&
        minutes.map((time) => (
          <span key={time} class="minute" style={{ left: `${left(time)}%` }}>
            {clockTime(time * 1_000).slice(0, 5)}
          </span>
        ))}
    </div>
  );
}

/** The part of a line within the last SPAN_S seconds. */
function pathOf(
  times: readonly number[],
  values: readonly number[],
  left: (time: number) => number,
  top: (value: number) => number,
): string {
  const points = times.flatMap((time, at) => {
    const x = left(time);
    return x < 0 ? [] : [`${x.toFixed(2)} ${top(values[at] ?? 0).toFixed(2)}`];
  });
  return points.length === 0 ? "" : `M${points.join("L")}`;
}

/** The smallest round step with STEPS × step ≥ `most`. */
function stepOf(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / STEPS));
  return ([1, 2, 2.5, 3, 4, 5, 6, 8].find((times) => times * power * STEPS >= most) ?? 10) * power;
}
