/** Makes a sequence diagram from rows: participants, and steps between them. Pure. */
import type { DeliveryStep } from "@acktor/shared/inspect/wire";
import type { Row } from "../../state/journal.ts";

/** More are unreadable. */
const MAX_STEPS = 60;
const MAX_LINES = 14;

export const CALLER = "caller";
export const BROKER = "broker";

export interface SequenceStep {
  readonly row: Row;
  /** Names of lifelines; equal for a step within one participant. */
  readonly from: string;
  readonly to: string;
}

export interface Sequence {
  readonly lines: readonly string[];
  readonly steps: readonly SequenceStep[];
  /** Number of rows that are not drawn. */
  readonly left: number;
}

type End = "own" | typeof CALLER | typeof BROKER;

/** Source and target of each step. */
const WAYS: Readonly<Record<DeliveryStep, readonly [End, End]>> = {
  accepted: [CALLER, "own"],
  published: ["own", BROKER],
  puback: [BROKER, "own"],
  publish_failed: ["own", "own"],
  ack_timeout: ["own", "own"],
  acknowledged: [BROKER, "own"],
  rejected: [BROKER, "own"],
  received: [BROKER, "own"],
  processed: ["own", BROKER],
  duplicate: [BROKER, "own"],
  refused: ["own", "own"],
};

/** @param rows oldest first */
export function sequenceOf(rows: readonly Row[]): Sequence {
  const drawn = rows.filter((row) => row.kind === "step" || row.kind === "actor");
  const steps: SequenceStep[] = [];
  const lines = new Set<string>();
  for (const row of drawn) {
    const step = stepOf(row);
    const more = [step.from, step.to].filter((name) => !lines.has(name));
    if (steps.length >= MAX_STEPS || lines.size + more.length > MAX_LINES) continue;
    for (const name of more) lines.add(name);
    steps.push(step);
  }
  return { lines: [...lines].sort(byPlace), steps, left: drawn.length - steps.length };
}

function stepOf(row: Row): SequenceStep {
  const { event, step } = row;
  const own = `${event.service}/${event.instance}`;
  if (step === null || event.kind !== "deliveries") {
    const actor = event.kind === "deliveries" ? own : `${own}/${event.actor}`;
    return { row, from: actor, to: actor };
  }
  const [from, to] = Object.hasOwn(WAYS, step.step) ? WAYS[step.step] : (["own", "own"] as const);
  return { row, from: from === "own" ? own : from, to: to === "own" ? own : to };
}

/** In the order of a message's way: caller, publishers, broker, ackers. */
function byPlace(a: string, b: string): number {
  const place = (name: string): number => {
    if (name === CALLER) return 0;
    if (name === BROKER) return 2;
    return name.startsWith("publisher") ? 1 : 3;
  };
  return place(a) - place(b) || a.localeCompare(b);
}
