/**
 * Where everything of a chart lies: computed when the project is built (console/charts), drawn by the browser.
 *
 * Invariants:
 *  1. All coordinates count from the chart's upper left corner, in pixels at a scale of 1.
 *  2. It holds places alone; what is written there follows from the machine's definition (label.ts).
 */
import type { MachineDefinition } from "@acktor/shared/inspect/wire";

/** A machine and its pictures. */
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
  /** Outer states come before those that lie in them. The root has no box. */
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
  /** A region stands beside others that are active at the same time; a group holds states; a leaf holds none. */
  readonly kind: "region" | "group" | "leaf";
}

/** The dot that points at a first state, and the "any state" from which a parent's transitions begin. */
export interface Mark extends Box {
  readonly kind: "initial" | "any";
  /** Id of the state whose children it stands among. */
  readonly of: string;
}

/** A line from a state (or mark) to a state; transitions that join the same two share one. */
export interface Route {
  readonly points: readonly Point[];
}

/** Where a transition's label stands. */
export interface PlacedEdge extends Box {
  /** `EdgeDefinition.id` */
  readonly id: string;
  /** Place of its line among the routes; null for one that stays, which is written into its state's box. */
  readonly route: number | null;
}
