/**
 * The layout of a machine's chart, from the innermost states outwards.
 *
 * Invariants:
 *  LAYOUT-1. The same definition gives the same layout.
 *  LAYOUT-2. Every state except the root, every transition, and one mark for each initial state has a position.
 *  LAYOUT-3. No text overlaps another text, and no line crosses a state.
 */
import type { EdgeDefinition, MachineDefinition } from "@acktor/shared/inspect/wire";
import { edgeLines, stateLines } from "../src/chart/label.ts";
import type { ChartLayout, Mark, PlacedEdge, Point, Route } from "../src/chart/layout.ts";
import { blockSize, COUNTDOWN_WIDTH, LABEL_PADDING, PADDING, TITLE_HEIGHT, titleWidth } from "../src/chart/metrics.ts";
import { type Arranged, arrange, type LineToPlace, type Size, type Spacing } from "./arrange.ts";
import { ANY, INITIAL, type Join, type Level, levelOf, levelsOf } from "./join-states.ts";
import { boxAt, framed, merged, moved, NOTHING, type Part, sideBySide, sizeOf } from "./part.ts";

const SPACING: Spacing = { nodes: 28, layers: 26, lines: 12 };
const MARGIN = 16;
const REGION_GAP = 20;
/** Between a state's actions and the transitions that stay in it. */
const TEXT_GAP = 4;
const INITIAL_SIZE: Size = { width: 12, height: 12 };
const ANY_SIZE: Size = { width: 84, height: 22 };

/** The layout of a machine's chart. LAYOUT-1, LAYOUT-2 */
export async function layoutChart(definition: MachineDefinition): Promise<ChartLayout> {
  const levels = levelsOf(definition);
  const inside = await insideOf(levelOf(levels, definition.id), levels);
  return framed(definition.id, inside, MARGIN);
}

/** A state with its border and title. */
async function boxed(level: Level, inRegion: boolean, levels: ReadonlyMap<string, Level>): Promise<Part> {
  const { state, children, waits } = level;
  const inside = await insideOf(level, levels);
  const isLeaf = children.length === 0;
  const inset = isLeaf ? PADDING : 1.5 * PADDING;
  const top = TITLE_HEIGHT + (isLeaf ? PADDING / 2 : PADDING);
  const bottom = isLeaf ? PADDING / 2 + (inside.height > 0 ? 2 : 0) : inset;
  const width = Math.max(titleWidth(state.key) + (waits ? COUNTDOWN_WIDTH : 0), inside.width) + 2 * inset;
  const height = top + inside.height + bottom;
  const kind = isLeaf ? "leaf" : inRegion ? "region" : "group";
  const content = moved(inside, isLeaf ? inset : (width - inside.width) / 2, top);
  return { ...content, width, height, states: [{ id: state.id, kind, x: 0, y: 0, width, height }, ...content.states] };
}

/** The inside of a state: its lines of text, then its children. */
async function insideOf(level: Level, levels: ReadonlyMap<string, Level>): Promise<Part> {
  const { state, children } = level;
  const text = textOf(level);
  if (children.length === 0) return text;
  const parts = await Promise.all(
    children.map((child) => boxed(levelOf(levels, child.id), state.type === "parallel", levels)),
  );
  const drawn = state.type === "parallel" ? sideBySide(level, parts, REGION_GAP) : await joined(level, parts);
  return text.height === 0 ? drawn : merged([text, moved(drawn, 0, text.height + PADDING)]);
}

/** The state's own lines, and the transitions that stay in it. LAYOUT-3 */
function textOf({ state, staying }: Level): Part {
  const own = blockSize(state.parent === null ? [] : stateLines(state));
  const top = own.height === 0 || staying.length === 0 ? own.height : own.height + TEXT_GAP;
  const edges = stacked(staying, { x: 0, y: top }, null);
  const width = Math.max(own.width, ...edges.map((edge) => edge.width));
  return { ...NOTHING, width, height: top + edges.reduce((sum, { height }) => sum + height, 0), edges };
}

/** Labels below each other. */
function stacked(edges: readonly EdgeDefinition[], from: Point, route: number | null): PlacedEdge[] {
  let y = from.y;
  return edges.map((edge) => {
    const size = blockSize(edgeLines(edge));
    const placed = { id: edge.id, route, x: from.x, y, ...size };
    y += size.height;
    return placed;
  });
}

/** Children with the lines between them. */
async function joined({ state, children, joins }: Level, parts: readonly Part[]): Promise<Part> {
  const marks = [INITIAL, ANY].filter((mark) => joins.some(({ from }) => from === mark));
  const nodes = [
    ...marks.map((id) => ({ id, ...(id === ANY ? ANY_SIZE : INITIAL_SIZE) })),
    ...children.map(({ id }, at) => ({ id, ...sizeOf(parts[at]) })),
  ];
  const arranged = await arrange(nodes, joins.map(toLine), SPACING);
  const placedMarks = marks.map((mark, at): Mark => {
    return { kind: mark === ANY ? "any" : "initial", of: state.id, ...boxAt(arranged, at) };
  });
  const placed = parts.map((part, at) => {
    const { x, y } = boxAt(arranged, marks.length + at);
    return moved(part, x, y);
  });
  const own: Part = { ...sizeOf(arranged), states: [], marks: placedMarks, ...linesOf(joins, arranged) };
  return merged([own, ...placed]);
}

function toLine({ from, to, edges }: Join): LineToPlace {
  const size = blockSize(edges.flatMap(edgeLines));
  const label = { width: size.width + 2 * LABEL_PADDING, height: size.height + LABEL_PADDING };
  return { from, to, label: edges.length === 0 ? null : label };
}

function linesOf(joins: readonly Join[], { lines }: Arranged): { routes: Route[]; edges: PlacedEdge[] } {
  const edges = joins.flatMap((join, at) => {
    const label = lines[at]?.label;
    if (label === undefined || label === null) return [];
    return stacked(join.edges, { x: label.x + LABEL_PADDING, y: label.y + LABEL_PADDING / 2 }, at);
  });
  return { routes: lines.map(({ points }) => ({ points })), edges };
}
