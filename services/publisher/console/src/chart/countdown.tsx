/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/**
 * The remaining time of a delay: a bar along the state's lower edge, and the seconds. The caller passes the time (`now`),
 * because it stands still in time travel. It ticks only while the delay runs.
 */
import type { RunningDelay } from "@acktor/shared/inspect/wire";
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { PlacedState } from "./layout.ts";
import { PADDING, TITLE_HEIGHT } from "./metrics.ts";

/** Ten times a second is smooth enough for tenths. */
const TICK_MS = 100;
const BAR_HEIGHT = 3;

export interface Remaining {
  /** From 1 at the delay's start to 0 at its end. */
  readonly share: number;
  /** With one decimal below ten. */
  readonly seconds: string;
}

function remainingOf({ startedAt, endsAt }: RunningDelay, at: number): Remaining {
  const left = Math.max(0, endsAt - at);
  const length = Math.max(1, endsAt - startedAt);
  const seconds = left / 1_000;
  return { share: Math.min(1, left / length), seconds: seconds < 10 ? seconds.toFixed(1) : String(Math.ceil(seconds)) };
}

/** The remaining time of a delay, kept up to date. */
export function useRemaining(delay: RunningDelay, now: () => number): Remaining {
  const [, redraw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => {
      redraw((count) => count + 1);
      if (now() >= delay.endsAt) clearInterval(timer);
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [delay.endsAt, now]);
  return remainingOf(delay, now());
}

/** The countdown in a state's box. */
export function Countdown(props: {
  readonly box: PlacedState;
  readonly delay: RunningDelay;
  readonly now: () => number;
}): VNode {
  const { box, delay, now } = props;
  const { share, seconds } = useRemaining(delay, now);
  const inset = PADDING / 2;
  const width = Math.round((box.width - 2 * inset) * share * 10) / 10;
  return (
    <g class="chart-countdown" data-delay={delay.delay}>
      <text x={box.x + box.width - PADDING} y={box.y + TITLE_HEIGHT - 2} text-anchor="end">
        {seconds} s
      </text>
      <rect x={box.x + inset} y={box.y + box.height - BAR_HEIGHT - 2} width={width} height={BAR_HEIGHT} rx="1.5" />
    </g>
  );
}
