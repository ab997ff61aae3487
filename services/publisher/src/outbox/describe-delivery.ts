/** The life of a message as a chart: the table of delivery.ts in the form of every machine's chart. */
import type { EdgeDefinition, MachineDefinition, StateDefinition } from "@acktor/shared/inspect/wire";
import { MOVES, type Move, STATES } from "./delivery.ts";

const ID = "delivery";

/** The description of a message's life; no actor runs it. */
export function describeDelivery(): MachineDefinition {
  const root = { ...bare(ID, null), type: "compound", initial: stateId(STATES[0]) } as const;
  const left = new Set(MOVES.map(({ from }) => from));
  const states = STATES.map((key): StateDefinition => {
    return { ...bare(key, ID), type: left.has(key) ? "atomic" : "final" };
  });
  return { id: ID, states: [root, ...states], edges: MOVES.map(toEdge) };
}

function toEdge({ from, event, to }: Move): EdgeDefinition {
  return {
    id: `${stateId(from)}#${event}#0`,
    source: stateId(from),
    target: stateId(to),
    kind: "event",
    label: event,
    guard: null,
    actions: [],
    delay: null,
  };
}

function bare(key: string, parent: string | null): Omit<StateDefinition, "type"> {
  return { id: parent === null ? key : stateId(key), key, parent, initial: null, entry: [], exit: [], invoke: [] };
}

function stateId(key: string): string {
  return `${ID}.${key}`;
}
