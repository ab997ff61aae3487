/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/**
 * The chart of a machine as inline SVG. This folder is the console's picture book:
 *
 *   charts.ts       every machine's definition and layout, made by `npm run diagrams`
 *   statechart.tsx  the chart; `outline.tsx` the same as a nested list; `mini-chart.tsx` the small one of the overview
 *   chart.css       their colours, by custom properties
 *
 * Invariants:
 *  1. It holds no state of the page: everything comes in, what is clicked goes out.
 *  2. It carries its marks in attributes: `data-state-id` with `aria-current="true"`, `data-edge-id` with
 *     `data-last="true"`.
 *  3. To assistive technology it is one image with a text alternative; the outline is the way in for keyboards.
 *
 * Rendered by Node for the docs too, so the compiler's settings for JSX stand in the files themselves.
 */
import type { MachineDefinition, RunningDelay, StateValue } from "@acktor/shared/inspect/wire";
import type { ComponentChildren, VNode } from "preact";
import { activeStates } from "./active-states.ts";
import { chartAlternative } from "./alternative.ts";
import { EdgeLabel } from "./edge-label.tsx";
import type { ChartLayout, Mark, PlacedEdge } from "./layout.ts";
import { LABEL_PADDING } from "./metrics.ts";
import { arrowPath, linePath } from "./route-path.ts";
import { StateBox } from "./state-box.tsx";
import { type ChartWords, ENGLISH } from "./words.ts";

/** What is lit; the part of an actor's snapshot or event that a chart shows. */
export interface ChartSnapshot {
  readonly value: StateValue;
  readonly delays: readonly RunningDelay[];
}

export type Selected = { readonly kind: "state" | "edge"; readonly id: string };

export interface StatechartProps {
  readonly layout: ChartLayout;
  readonly definition: MachineDefinition;
  /** Null: it does not run, nothing is lit. */
  readonly snapshot: ChartSnapshot | null;
  /** Ids of the transitions that were just taken. */
  readonly last?: readonly string[] | undefined;
  readonly selected?: Selected | null | undefined;
  /** How many instances are in each state, by the state's id. */
  readonly counts?: Readonly<Record<string, number>> | undefined;
  /** Milliseconds since 1970, by the clock that the delays count by. */
  readonly now?: (() => number) | undefined;
  readonly words?: ChartWords | undefined;
  readonly onSelect?: ((selected: Selected) => void) | undefined;
  /** Put first into the picture: `title`, `desc` and `style` of one that stands alone. */
  readonly children?: ComponentChildren;
}

export function Statechart(props: StatechartProps): VNode {
  const { layout, definition, snapshot, last = [], selected, now = Date.now, words = ENGLISH, onSelect } = props;
  const active = snapshot === null ? new Set<string>() : activeStates(definition, snapshot.value);
  const isSelected = (kind: Selected["kind"], id: string): boolean => selected?.kind === kind && selected.id === id;
  const boxes = layout.states.flatMap((box) => {
    const state = definition.states.find(({ id }) => id === box.id);
    return state === undefined ? [] : [{ box, state }];
  });
  const drawBox = ({ box, state }: (typeof boxes)[number]): VNode => (
    <StateBox
      key={state.id}
      box={box}
      state={state}
      active={active.has(state.id)}
      selected={isSelected("state", state.id)}
      count={props.counts?.[state.id]}
      delay={firstDelay(snapshot?.delays ?? [], state.id)}
      now={now}
      words={words}
      onSelect={onSelect && ((id) => onSelect({ kind: "state", id }))}
    />
  );
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      class="chart"
      role="img"
      aria-label={chartAlternative(definition, snapshot === null ? null : active, words)}
      data-machine={definition.id}
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      width={layout.width}
      height={layout.height}
    >
      {props.children}
      {boxes.filter(({ box }) => box.kind !== "leaf").map(drawBox)}
      <Routes layout={layout} last={last} />
      {boxes.filter(({ box }) => box.kind === "leaf").map(drawBox)}
      {layout.marks.map((mark) => (
        <StartMark key={`${mark.of} ${mark.kind}`} mark={mark} words={words} />
      ))}
      {layout.edges.map((box) => {
        const edge = definition.edges.find(({ id }) => id === box.id);
        if (edge === undefined) return null;
        return (
          <EdgeLabel
            key={box.id}
            box={box}
            edge={edge}
            active={active.has(edge.source)}
            last={last.includes(box.id)}
            selected={isSelected("edge", box.id)}
            onSelect={onSelect && ((id) => onSelect({ kind: "edge", id }))}
          />
        );
      })}
    </svg>
  );
}

function firstDelay(delays: readonly RunningDelay[], state: string): RunningDelay | undefined {
  return delays.filter((delay) => delay.state === state).toSorted((a, b) => a.endsAt - b.endsAt)[0];
}

/** All lines; those that were just taken come last, above the others. */
function Routes({ layout, last }: { readonly layout: ChartLayout; readonly last: readonly string[] }): VNode {
  const taken = new Set(layout.edges.filter(({ id }) => last.includes(id)).map(({ route }) => route));
  const drawn = layout.routes.map(({ points }, at) => ({ points, at, isTaken: taken.has(at) }));
  return (
    <>
      {drawn
        .toSorted((a, b) => Number(a.isTaken) - Number(b.isTaken))
        .map(({ points, at, isTaken }) => (
          <g key={at} class={isTaken ? "chart-route chart-taken" : "chart-route"}>
            <path class="chart-line" d={linePath(points)} />
            <path class="chart-arrow" d={arrowPath(points)} />
            <LabelCard edges={layout.edges.filter(({ route }) => route === at)} />
          </g>
        ))}
    </>
  );
}

/** The ground on which the labels of a line stand. */
function LabelCard({ edges }: { readonly edges: readonly PlacedEdge[] }): VNode | null {
  const [first] = edges;
  if (first === undefined) return null;
  const width = Math.max(...edges.map((edge) => edge.width)) + 2 * LABEL_PADDING;
  const height = edges.reduce((sum, edge) => sum + edge.height, 0) + LABEL_PADDING;
  return (
    <rect
      class="chart-card"
      x={first.x - LABEL_PADDING}
      y={first.y - LABEL_PADDING / 2}
      width={width}
      height={height}
      rx="5"
    />
  );
}

function StartMark({ mark, words }: { readonly mark: Mark; readonly words: ChartWords }): VNode {
  const { x, y, width, height } = mark;
  const [middle, centre] = [x + width / 2, y + height / 2];
  if (mark.kind === "initial") return <circle class="chart-initial" cx={middle} cy={centre} r={width / 2 - 1} />;
  return (
    <g class="chart-any">
      <rect x={x} y={y} width={width} height={height} rx={height / 2} />
      <text x={middle} y={centre + 3.5} text-anchor="middle">
        {words.anyState}
      </text>
    </g>
  );
}
