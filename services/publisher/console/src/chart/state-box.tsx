/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/** A state of a chart: its border, its name and its actions. */
import type { RunningDelay, StateDefinition } from "@acktor/shared/inspect/wire";
import type { VNode } from "preact";
import { Countdown } from "./countdown.tsx";
import { stateLines } from "./label.ts";
import type { PlacedState } from "./layout.ts";
import { LINE_HEIGHT, PADDING, TITLE_HEIGHT } from "./metrics.ts";
import { TextLines } from "./text-lines.tsx";
import type { ChartWords } from "./words.ts";

export interface StateBoxProps {
  readonly box: PlacedState;
  readonly state: StateDefinition;
  readonly active: boolean;
  readonly selected: boolean;
  /** Number of instances in it; undefined: not shown. */
  readonly count: number | undefined;
  /** The delay that ends first. */
  readonly delay: RunningDelay | undefined;
  readonly now: () => number;
  readonly words: ChartWords;
  readonly onSelect: ((id: string) => void) | undefined;
}

const CORNER = 8;

export function StateBox(props: StateBoxProps): VNode {
  const { box, state, active, selected, count, delay, now, words, onSelect } = props;
  const { x, y, width, height } = box;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the picture is one image; keyboards use the outline
    <g
      class={`chart-state chart-${box.kind}`}
      data-state-id={state.id}
      data-selected={selected ? "true" : undefined}
      aria-current={active ? "true" : undefined}
      onClick={onSelect && (() => onSelect(state.id))}
    >
      <rect class="chart-box" x={x} y={y} width={width} height={height} rx={CORNER} />
      {state.type === "final" && (
        <rect class="chart-final" x={x + 3} y={y + 3} width={width - 6} height={height - 6} rx={CORNER - 3} />
      )}
      <text class="chart-title" x={x + PADDING} y={y + TITLE_HEIGHT - 2}>
        {state.key}
      </text>
      {box.kind === "leaf" && (
        <TextLines lines={stateLines(state)} x={x + PADDING} y={y + TITLE_HEIGHT + PADDING / 2} />
      )}
      {active && delay !== undefined && <Countdown box={box} delay={delay} now={now} />}
      {count !== undefined && count > 0 && <Badge x={x + width} y={y} count={count} title={words.instances(count)} />}
    </g>
  );
}

function Badge(props: {
  readonly x: number;
  readonly y: number;
  readonly count: number;
  readonly title: string;
}): VNode {
  const text = String(props.count);
  const width = 12 + 7 * text.length;
  return (
    <g class="chart-badge" data-count={text}>
      <title>{props.title}</title>
      <rect x={props.x - width + 6} y={props.y - 9} width={width} height={18} rx="9" />
      <text x={props.x - width / 2 + 6} y={props.y + LINE_HEIGHT.action / 2 - 2.5} text-anchor="middle">
        {text}
      </text>
    </g>
  );
}
