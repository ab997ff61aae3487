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
import type { ChartLayout, Mark, PlacedEdge, PlacedState } from "./layout.ts";
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
  const { layout, definition, snapshot, words = ENGLISH } = props;
  const active = snapshot === null ? null : activeStates(definition, snapshot.value);
  const drawn = { ...props, words, active: active ?? NOTHING };
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      class="chart"
      role="img"
      aria-label={chartAlternative(definition, active, words)}
      data-machine={definition.id}
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      width={layout.width}
      height={layout.height}
    >
      {props.children}
      <StateBoxes {...drawn} which={(kind) => kind !== "leaf"} />
      <Routes {...drawn} />
      <StateBoxes {...drawn} which={(kind) => kind === "leaf"} />
      {layout.marks.map((mark) => (
        <StartMark key={`${mark.of} ${mark.kind}`} mark={mark} words={words} />
      ))}
      <EdgeLabels {...drawn} />
    </svg>
  );
}

const NOTHING: ReadonlySet<string> = new Set();

type Drawn = StatechartProps & { readonly words: ChartWords; readonly active: ReadonlySet<string> };

function StateBoxes(props: Drawn & { readonly which: (kind: PlacedState["kind"]) => boolean }): VNode {
  const { layout, definition, snapshot, active, selected, counts, now = Date.now, words, onSelect } = props;
  return (
    <>
      {layout.states.map((box) => {
        const state = definition.states.find(({ id }) => id === box.id);
        if (state === undefined || !props.which(box.kind)) return null;
        return (
          <StateBox
            key={box.id}
            box={box}
            state={state}
            active={active.has(box.id)}
            selected={selected?.kind === "state" && selected.id === box.id}
            count={counts?.[box.id]}
            delay={firstDelay(snapshot?.delays ?? [], box.id)}
            now={now}
            words={words}
            onSelect={onSelect && ((id) => onSelect({ kind: "state", id }))}
          />
        );
      })}
    </>
  );
}

function EdgeLabels({ layout, definition, active, last = [], selected, onSelect }: Drawn): VNode {
  return (
    <>
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
            selected={selected?.kind === "edge" && selected.id === box.id}
            onSelect={onSelect && ((id) => onSelect({ kind: "edge", id }))}
          />
        );
      })}
    </>
  );
}

function firstDelay(delays: readonly RunningDelay[], state: string): RunningDelay | undefined {
  return delays.filter((delay) => delay.state === state).toSorted((a, b) => a.endsAt - b.endsAt)[0];
}

/** All lines; those that can be taken now, and those that just were, come last, above the others. */
function Routes({ layout, definition, active, last = [] }: Drawn): VNode {
  const sources = new Map(definition.edges.map(({ id, source }) => [id, source]));
  const routes = layout.routes.map(({ points }, at) => {
    const edges = layout.edges.filter(({ route }) => route === at);
    const isTaken = edges.some(({ id }) => last.includes(id));
    const isOpen = edges.some(({ id }) => active.has(sources.get(id) ?? ""));
    return { at, points, edges, rank: isTaken ? 2 : isOpen ? 1 : 0 };
  });
  return (
    <>
      {routes
        .toSorted((a, b) => a.rank - b.rank)
        .map(({ at, points, edges, rank }) => (
          <g key={at} class={["chart-route", "chart-route chart-open", "chart-route chart-taken"][rank]}>
            <path class="chart-line" d={linePath(points)} />
            <path class="chart-arrow" d={arrowPath(points)} />
            <LabelCard edges={edges} />
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
