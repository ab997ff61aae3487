/** Parts of a layout: moving, placing side by side and merging them. */
import type { Box, ChartLayout, Mark, PlacedEdge, PlacedState, Point, Route } from "../src/chart/layout.ts";
import type { Arranged, Size } from "./arrange.ts";
import type { Level } from "./join-states.ts";

/** The aspect ratio (width by height) that regions are arranged for. */
const ASPECT = 1.5;

/** The contents of a rectangle, measured from its upper left corner. */
export interface Part extends Size {
  readonly states: readonly PlacedState[];
  readonly marks: readonly Mark[];
  readonly routes: readonly Route[];
  readonly edges: readonly PlacedEdge[];
}

export const NOTHING: Part = { width: 0, height: 0, states: [], marks: [], routes: [], edges: [] };

/** The part at another place; its size still counts from the old origin. */
export function moved(part: Part, x: number, y: number): Part {
  const shift = <T extends Point>(one: T): T => ({ ...one, x: one.x + x, y: one.y + y });
  return {
    width: part.width + x,
    height: part.height + y,
    states: part.states.map(shift),
    marks: part.marks.map(shift),
    routes: part.routes.map(({ points }) => ({ points: points.map(shift) })),
    edges: part.edges.map(shift),
  };
}

/** Several parts as one, with the lines renumbered. */
export function merged(parts: readonly Part[]): Part {
  let before = 0;
  const edges = parts.map((part) => {
    const first = before;
    before += part.routes.length;
    return part.edges.map((edge) => (edge.route === null ? edge : { ...edge, route: edge.route + first }));
  });
  return {
    width: Math.max(0, ...parts.map(({ width }) => width)),
    height: Math.max(0, ...parts.map(({ height }) => height)),
    states: parts.flatMap(({ states }) => states),
    marks: parts.flatMap(({ marks }) => marks),
    routes: parts.flatMap(({ routes }) => routes),
    edges: edges.flat(),
  };
}

/** Regions side by side or below each other, whichever fits `ASPECT` better. */
export function sideBySide({ state, joins }: Level, parts: readonly Part[], gap: number): Part {
  const [join] = joins;
  if (join !== undefined) throw new Error(`${state.id}: ${join.from} to ${join.to} leads from region to region`);
  const options = [true, false].map((inRow) => merged(lined(parts, inRow, gap)));
  const [best] = options.toSorted((a, b) => awayFromAspect(a) - awayFromAspect(b));
  return best ?? NOTHING;
}

/** A complete layout with a margin around it. */
export function framed(machine: string, part: Part, margin: number): ChartLayout {
  const { width, height, ...places } = moved(part, margin, margin);
  return { machine, width: Math.ceil(width + margin), height: Math.ceil(height + margin), ...places };
}

/** The position of a node by its index. */
export function boxAt({ nodes }: Arranged, at: number): Box {
  const box = nodes[at];
  if (box === undefined) throw new Error(`node ${at} was not placed`);
  return box;
}

export function sizeOf(size: Size | undefined): Size {
  return { width: size?.width ?? 0, height: size?.height ?? 0 };
}

function lined(parts: readonly Part[], inRow: boolean, gap: number): Part[] {
  let at = 0;
  return parts.map((part) => {
    const place = inRow ? moved(part, at, 0) : moved(part, 0, at);
    at += (inRow ? part.width : part.height) + gap;
    return place;
  });
}

function awayFromAspect({ width, height }: Size): number {
  return Math.abs(Math.log(width / height / ASPECT));
}
