/** The messages and faults of a seed, with their times. Removing one of them does not change the others. */
import { pick, type Random, seededRandom, seedFor, wholeBetween } from "../seeded-random.ts";
import { CALM_WORKS, QUICK_WORKS, SLOW_TOPIC, WORKS, type Work } from "./sim-handler.ts";

const FAULTS = [
  "broker dies",
  "broker is silent",
  "connections reset",
  "publisher dies",
  "acker dies",
  "acker stops",
  "database dies",
  "packets are lost",
  "packets come twice",
  "packets overtake",
  "commits go unseen",
] as const;

export type SimFault = (typeof FAULTS)[number];

export interface PlannedFault {
  readonly fault: SimFault;
  readonly atMs: number;
  readonly forMs: number;
}

export interface PlannedMessage {
  readonly atMs: number;
  readonly topic: string;
  readonly orderingKey: string | null;
  /** How long the broker's copy is trusted. */
  readonly holdMs: number | null;
  /** What its handler does. */
  readonly work: Work;
}

export interface SimPlan {
  readonly seed: number;
  /** `row`: the inbox row is the effect. `handlers`: handlers run, under leases. */
  readonly handling: "row" | "handlers";
  /** Ackers that run at the same time; each receives every message. */
  readonly ackers: number;
  readonly faults: readonly PlannedFault[];
  readonly messages: readonly PlannedMessage[];
}

export const PLAN_MS = 2_500;

export function planFor(seed: number): SimPlan {
  const random: Random = seededRandom(seedFor(seed, "plan"));
  const handling = random() < 0.6 ? "handlers" : "row";
  const ackers = random() < 0.3 ? 2 : 1;
  const works = pick(random, [WORKS, WORKS, QUICK_WORKS, CALM_WORKS]);
  // A stop while handlers take long is a history of its own: other faults would end them first.
  const kinds: readonly SimFault[] = works === CALM_WORKS && random() < 0.5 ? ["acker stops"] : FAULTS;
  const faults = Array.from({ length: wholeBetween(random, 0, 4) }, () => ({
    fault: pick(random, kinds),
    atMs: wholeBetween(random, 20, PLAN_MS - 1_000),
    forMs: wholeBetween(random, 10, 900),
  })).toSorted((a, b) => a.atMs - b.atMs);
  const holds: Random = seededRandom(seedFor(seed, "holds"));
  const messages = Array.from({ length: wholeBetween(random, 6, 24) }, () => {
    const work = handling === "row" ? "answers" : pick(random, works);
    const holdMs = holds() < 0.15 ? 5_000 : null;
    const topic = work === "is slow" ? SLOW_TOPIC : "sim";
    return {
      atMs: wholeBetween(random, 0, PLAN_MS - 500),
      topic: `${topic}/${wholeBetween(random, 0, 2)}`,
      orderingKey: random() < 0.4 ? `k${wholeBetween(random, 0, 1)}` : null,
      holdMs,
      work,
    };
  }).toSorted((a, b) => a.atMs - b.atMs);
  return { seed, handling, ackers, faults, messages };
}
