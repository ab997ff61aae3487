/**
 * The layout of a chart: computed when the project is built (console/charts), drawn by the browser.
 *
 * Coordinates count from the chart's upper left corner, in pixels at a scale of 1. The layout has only positions; the texts
 * come from the machine's definition (label.ts).
 */
import type { MachineDefinition } from "@acktor/shared/inspect/wire";

/** A machine and its layouts. */
export interface Chart {
  readonly definition: MachineDefinition;
  readonly layout: ChartLayout;
  /** The small one, without labels. */
  readonly mini: ChartLayout;
}

export interface ChartLayout {
  /** `MachineDefinition.id` */
  readonly machine: string;
  readonly width: number;
  readonly height: number;
  /** Outer states come before inner ones. The root has no box. */
  readonly states: readonly PlacedState[];
  readonly marks: readonly Mark[];
  readonly routes: readonly Route[];
  readonly edges: readonly PlacedEdge[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export interface PlacedState extends Box {
  /** `StateDefinition.id` */
  readonly id: string;
  /** A region is active together with its siblings; a group contains states; a leaf contains none. */
  readonly kind: "region" | "group" | "leaf";
}

/** The dot that points at a first state, and the "any state" from which a parent's transitions begin. */
export interface Mark extends Box {
  readonly kind: "initial" | "any";
  /** Id of the state whose children it is drawn with. */
  readonly of: string;
}

/** A line from a state (or mark) to a state; transitions that join the same two share one. */
export interface Route {
  readonly points: readonly Point[];
}

/** The position of a transition's label. */
export interface PlacedEdge extends Box {
  /** `EdgeDefinition.id` */
  readonly id: string;
  /** Index of its line in `routes`; null if it stays in its state and is written into that state's box. */
  readonly route: number | null;
}
