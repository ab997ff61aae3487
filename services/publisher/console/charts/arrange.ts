/** The positions of nodes and lines on one level, by ELK's layered algorithm. The only file that imports ELK. */

import elk from "elkjs/lib/elk.bundled.js";
import type { ElkNode } from "elkjs/lib/elk-api.js";
import type { Box, Point } from "../src/chart/layout.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface NodeToPlace extends Size {
  readonly id: string;
}

export interface LineToPlace {
  readonly from: string;
  readonly to: string;
  /** Size of its label; null without one. */
  readonly label: Size | null;
}

export interface Arranged extends Size {
  /** In the order in which they were given. */
  readonly nodes: readonly Box[];
  readonly lines: readonly { readonly points: readonly Point[]; readonly label: Box | null }[];
}

const OPTIONS: Readonly<Record<string, string>> = {
  "elk.algorithm": "layered",
  "elk.direction": "DOWN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.randomSeed": "1",
  "elk.padding": "[top=0,left=0,bottom=0,right=0]",
  // MODEL_ORDER would be better, but ELK throws with it on some of these graphs.
  "elk.layered.cycleBreaking.strategy": "DEPTH_FIRST",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.layered.thoroughness": "50",
  "elk.spacing.edgeLabel": "4",
};

/** The label lies on the line, not next to it. */
const INLINE = { "elk.edgeLabels.inline": "true" };

/** Distances in pixels. */
export interface Spacing {
  readonly nodes: number;
  readonly layers: number;
  readonly lines: number;
}

/** Places nodes in layers, lines and labels between them. The same input gives the same result. */
export async function arrange(
  nodes: readonly NodeToPlace[],
  lines: readonly LineToPlace[],
  spacing: Spacing,
): Promise<Arranged> {
  const asked: ElkNode = {
    id: "level",
    layoutOptions: { ...OPTIONS, ...spacingOptions(spacing) },
    children: nodes.map(({ id, width, height }) => ({ id, width, height })),
    edges: lines.map(({ from, to, label }, at) => ({
      id: `line ${at}`,
      sources: [from],
      targets: [to],
      labels: label === null ? [] : [{ text: " ", ...label, layoutOptions: INLINE }],
    })),
  };
  const graph = await new elk.default().layout(asked);
  const placed = (graph.edges ?? []).map(({ sections, labels }) => {
    const points = (sections ?? []).flatMap(({ startPoint, bendPoints, endPoint }) => {
      return [startPoint, ...(bendPoints ?? []), endPoint].map(({ x, y }) => ({ x: round(x), y: round(y) }));
    });
    return { points, label: labels?.[0] === undefined ? null : boxOf(labels[0]) };
  });
  return { ...sizeOf(graph), nodes: (graph.children ?? []).map(boxOf), lines: placed };
}

function spacingOptions({ nodes, layers, lines }: Spacing): Record<string, string> {
  return {
    "elk.spacing.nodeNode": String(nodes),
    "elk.spacing.edgeNode": String(lines + 4),
    "elk.spacing.edgeEdge": String(lines),
    "elk.layered.spacing.nodeNodeBetweenLayers": String(layers),
    "elk.layered.spacing.edgeNodeBetweenLayers": String(lines + 2),
    "elk.layered.spacing.edgeEdgeBetweenLayers": String(lines),
  };
}

interface Shape {
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
}

function boxOf(shape: Shape): Box {
  return { x: round(shape.x ?? 0), y: round(shape.y ?? 0), ...sizeOf(shape) };
}

function sizeOf({ width = 0, height = 0 }: Shape): Size {
  return { width: round(width), height: round(height) };
}

/** To half pixels, so that lines of odd width stay sharp. */
function round(value: number): number {
  return Math.round(value * 2) / 2;
}
