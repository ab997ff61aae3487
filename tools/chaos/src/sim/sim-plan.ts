/** What a seed breaks, and when. A plan can be made smaller without changing what else happens. */
import { pick, type Random, seededRandom, seedFor, wholeBetween } from "../seeded-random.ts";

export type SimFault =
  | "broker dies"
  | "broker is silent"
  | "connections reset"
  | "publisher dies"
  | "acker dies"
  | "database dies"
  | "packets are lost"
  | "packets come twice"
  | "packets overtake"
  | "commits go unseen";

export interface PlannedFault {
  readonly fault: SimFault;
  readonly atMs: number;
  readonly forMs: number;
}

export interface PlannedMessage {
  readonly atMs: number;
  readonly topic: string;
  readonly orderingKey: string | null;
}

export interface SimPlan {
  readonly seed: number;
  readonly faults: readonly PlannedFault[];
  readonly messages: readonly PlannedMessage[];
}

const FAULTS: readonly SimFault[] = [
  "broker dies",
  "broker is silent",
  "connections reset",
  "publisher dies",
  "acker dies",
  "database dies",
  "packets are lost",
  "packets come twice",
  "packets overtake",
  "commits go unseen",
];

export const PLAN_MS = 2_500;

export function planFor(seed: number): SimPlan {
  const random: Random = seededRandom(seedFor(seed, "plan"));
  const faults = Array.from({ length: wholeBetween(random, 1, 4) }, () => ({
    fault: pick(random, FAULTS),
    atMs: wholeBetween(random, 20, PLAN_MS - 1_000),
    forMs: wholeBetween(random, 10, 900),
  })).toSorted((a, b) => a.atMs - b.atMs);
  const messages = Array.from({ length: wholeBetween(random, 6, 24) }, () => ({
    atMs: wholeBetween(random, 0, PLAN_MS - 500),
    topic: `sim/${wholeBetween(random, 0, 2)}`,
    orderingKey: random() < 0.5 ? `k${wholeBetween(random, 0, 1)}` : null,
  })).toSorted((a, b) => a.atMs - b.atMs);
  return { seed, faults, messages };
}
