/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/** Lines of text below each other, with the heights that the layout reserves. */
import type { VNode } from "preact";
import type { Line } from "./label.ts";
import { LINE_HEIGHT } from "./metrics.ts";

/** The baseline is at about three quarters of a line. */
const BASELINE = 0.74;

export function TextLines({
  lines,
  x,
  y,
}: {
  readonly lines: readonly Line[];
  readonly x: number;
  readonly y: number;
}): VNode {
  let top = y;
  return (
    <>
      {lines.map(({ text, tone }) => {
        const baseline = Math.round((top + LINE_HEIGHT[tone] * BASELINE) * 10) / 10;
        top += LINE_HEIGHT[tone];
        return (
          <text key={`${tone} ${text}`} class={`chart-${tone}`} x={x} y={baseline}>
            {text}
          </text>
        );
      })}
    </>
  );
}
