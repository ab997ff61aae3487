/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/** A transition's label, on its line or in the box of the state that it does not leave. */
import type { EdgeDefinition } from "@acktor/shared/inspect/wire";
import type { VNode } from "preact";
import { edgeLines, edgeSentence } from "./label.ts";
import type { PlacedEdge } from "./layout.ts";
import { LABEL_PADDING } from "./metrics.ts";
import { TextLines } from "./text-lines.tsx";

export interface EdgeLabelProps {
  readonly box: PlacedEdge;
  readonly edge: EdgeDefinition;
  /** Its source state is active. */
  readonly active: boolean;
  readonly last: boolean;
  readonly selected: boolean;
  readonly onSelect: ((id: string) => void) | undefined;
}

export function EdgeLabel({ box, edge, active, last, selected, onSelect }: EdgeLabelProps): VNode {
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the picture is one image; keyboards use the outline
    <g
      class={`chart-edge ${box.route === null ? "chart-staying" : "chart-leaving"}`}
      data-edge-id={edge.id}
      data-active={active ? "true" : undefined}
      data-last={last ? "true" : undefined}
      data-selected={selected ? "true" : undefined}
      onClick={onSelect && (() => onSelect(edge.id))}
    >
      <title>{edgeSentence(edge)}</title>
      <rect
        class="chart-label"
        x={box.x - LABEL_PADDING + 1}
        y={box.y}
        width={box.width + 2 * LABEL_PADDING - 2}
        height={box.height}
        rx="3"
      />
      <TextLines lines={edgeLines(edge)} x={box.x} y={box.y} />
    </g>
  );
}
