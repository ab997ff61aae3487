/** Lines of a chart as SVG path data. */
import type { Point } from "./layout.ts";

const CORNER = 7;
const ARROW_LENGTH = 8;
const ARROW_HALF_WIDTH = 4;

/** A line through the points, with rounded corners. */
export function linePath(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const parts = [`M${first.x} ${first.y}`];
  let before = first;
  for (const [at, point] of rest.entries()) {
    const next = rest[at + 1];
    if (next === undefined) parts.push(`L${point.x} ${point.y}`);
    else parts.push(corner(before, point, next));
    before = point;
  }
  return parts.join("");
}

/** The arrowhead at the line's end, as a closed triangle. */
export function arrowPath(points: readonly Point[]): string {
  const tip = points.at(-1);
  const before = points.at(-2);
  if (tip === undefined || before === undefined) return "";
  const base = towards(tip, before, ARROW_LENGTH);
  const [x, y] = [(tip.x - base.x) / ARROW_LENGTH, (tip.y - base.y) / ARROW_LENGTH];
  const side = (sign: 1 | -1): string => {
    return `${base.x - sign * y * ARROW_HALF_WIDTH} ${base.y + sign * x * ARROW_HALF_WIDTH}`;
  };
  return `M${tip.x} ${tip.y}L${side(1)}L${side(-1)}Z`;
}

function corner(before: Point, at: Point, after: Point): string {
  const radius = Math.min(CORNER, distance(before, at) / 2, distance(at, after) / 2);
  const [from, to] = [towards(at, before, radius), towards(at, after, radius)];
  return `L${from.x} ${from.y}Q${at.x} ${at.y} ${to.x} ${to.y}`;
}

function towards(from: Point, to: Point, by: number): Point {
  const length = distance(from, to);
  if (length === 0) return from;
  return { x: round(from.x + ((to.x - from.x) * by) / length), y: round(from.y + ((to.y - from.y) * by) / length) };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
