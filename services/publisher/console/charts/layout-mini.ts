/**
 * The small chart of the overview: states with their names, and a thin line for transitions between two of them. The same
 * definition gives the same layout.
 */
import type { MachineDefinition, StateDefinition } from "@acktor/shared/inspect/wire";
import type { ChartLayout } from "../src/chart/layout.ts";
import { MINI_HEIGHT, miniWidth } from "../src/chart/metrics.ts";
import { arrange, type Spacing } from "./arrange.ts";
import { type Join, type Level, levelOf, levelsOf } from "./join-states.ts";
import { boxAt, framed, merged, moved, NOTHING, type Part, sideBySide, sizeOf } from "./part.ts";

const SPACING: Spacing = { nodes: 14, layers: 12, lines: 6 };
const MARGIN = 4;
const REGION_GAP = 18;
const TITLE_GAP = 4;

/** The layout of a machine's small chart. */
export async function layoutMini(definition: MachineDefinition): Promise<ChartLayout> {
  const levels = levelsOf(definition);
  return framed(definition.id, await insideOf(levelOf(levels, definition.id), levels), MARGIN);
}

async function insideOf(level: Level, levels: ReadonlyMap<string, Level>): Promise<Part> {
  const { state, children } = level;
  const parts = await Promise.all(
    children.map((child) => boxed(levelOf(levels, child.id), state.type === "parallel", levels)),
  );
  return state.type === "parallel" ? sideBySide(level, parts, REGION_GAP) : joined(level, parts);
}

/** A state: a box with its name, or its name above the states in it. */
async function boxed(level: Level, inRegion: boolean, levels: ReadonlyMap<string, Level>): Promise<Part> {
  const { state, children } = level;
  const title = { width: miniWidth(state.key), height: MINI_HEIGHT };
  if (children.length === 0) return withBox(NOTHING, state, "leaf", title);
  const inside = await insideOf(level, levels);
  const content = moved(inside, 0, MINI_HEIGHT + TITLE_GAP);
  const size = { width: Math.max(title.width, content.width), height: content.height };
  return withBox(content, state, inRegion ? "region" : "group", size);
}

function withBox(
  content: Part,
  { id }: StateDefinition,
  kind: "region" | "group" | "leaf",
  size: { readonly width: number; readonly height: number },
): Part {
  return { ...content, ...size, states: [{ id, kind, x: 0, y: 0, ...size }, ...content.states] };
}

async function joined({ children, joins }: Level, parts: readonly Part[]): Promise<Part> {
  const nodes = children.map(({ id }, at) => ({ id, ...sizeOf(parts[at]) }));
  const arranged = await arrange(nodes, linesOf(joins, children), SPACING);
  const placed = parts.map((part, at) => {
    const { x, y } = boxAt(arranged, at);
    return moved(part, x, y);
  });
  const routes = arranged.lines.map(({ points }) => ({ points }));
  return merged([{ ...NOTHING, ...sizeOf(arranged), routes }, ...placed]);
}

/** One line between two states, for both directions; none from marks, which are not drawn. */
function linesOf(joins: readonly Join[], children: readonly StateDefinition[]): (Join & { readonly label: null })[] {
  const known = new Set(children.map(({ id }) => id));
  const firsts = joins.filter(({ from, to }, at) => {
    const before = joins.slice(0, at).some((join) => join.from === to && join.to === from);
    return known.has(from) && !before;
  });
  return firsts.map((join) => ({ ...join, label: null }));
}
