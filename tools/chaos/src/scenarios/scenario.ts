/**
 * A scenario as data: what is broken, when, for how long, and what must hold all the same.
 *
 * Invariant: the seed decides the schedule; the same seed gives the same one.
 */
import type { LineQuality } from "../proxy/lane.ts";
import type { PacketFault } from "../proxy/packet-rules.ts";
import type { Direction } from "../proxy/tcp-proxy.ts";
import { type Random, seededRandom, seedFor } from "../seeded-random.ts";

/** Topics of the lab's messages lie below this. */
export const TOPIC_ROOT = "chaos";

export type LineName = "publisher.mqtt" | "acker.mqtt" | "publisher.db" | "acker.db" | "nats";
export type MqttLineName = "publisher.mqtt" | "acker.mqtt";
export type UnitName = "publisher" | "acker" | "broker" | "postgres" | "nats";

export type Fault =
  | { readonly do: "cut"; readonly lines: readonly LineName[]; readonly how: "refuse" | "silent" }
  | { readonly do: "one-way"; readonly lines: readonly LineName[]; readonly blocked: Direction }
  | { readonly do: "line"; readonly lines: readonly LineName[]; readonly quality: Partial<LineQuality> }
  | { readonly do: "half-open"; readonly lines: readonly LineName[] }
  /** Resets every connection, again and again. */
  | { readonly do: "reset"; readonly lines: readonly LineName[]; readonly everyMs: number }
  | { readonly do: "packets"; readonly lines: readonly MqttLineName[]; readonly faults: readonly PacketFault[] }
  | { readonly do: "refuse"; readonly lines: readonly MqttLineName[]; readonly code: number }
  /** Another client connects under the id of the one on this line. */
  | { readonly do: "take-over"; readonly line: MqttLineName }
  /** Down until the end of the fault, then started again. */
  | { readonly do: "kill" | "stop"; readonly unit: UnitName }
  | { readonly do: "freeze"; readonly unit: UnitName }
  /** The wall clock of a service is set, and set right again at the end; its monotonic clock goes on. */
  | { readonly do: "set-clock"; readonly unit: "publisher" | "acker"; readonly offsetMs: number }
  /** PostgreSQL's disk has no page left. */
  | { readonly do: "fill-disk" }
  /** Ends backends of the pair by pg_terminate_backend, one at a time. */
  | { readonly do: "end-backends"; readonly everyMs: number };

export interface ScheduledFault {
  readonly atMs: number;
  readonly forMs: number;
  readonly fault: Fault;
}

/** What must hold beyond: nothing lost, doubled, moved illegally or out of order, no error of the services' own. */
export interface Limits {
  /** From the first fault to the publisher's RECONNECTING (or another state that is not CONNECTED). */
  readonly reconnectingMs?: number;
  /** From the last fault's end to CONNECTED. */
  readonly recoverMs: number;
  readonly breakerOpenings?: number;
  /** (published + republished) / published. */
  readonly publishRatio?: number;
  /** The connection never breaks. */
  readonly staysConnected?: boolean;
  /** Share of the answers that are no 201 that is too much; a dead publisher or PostgreSQL answers nothing else. */
  readonly unansweredRatio?: number;
  /** Latency, p99 in ms, of the messages to the destinations that are not silenced. */
  readonly othersP99Ms?: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: { readonly en: string; readonly ja: string };
  readonly faults: readonly ScheduledFault[];
  /** Each fault begins up to this much later, by the seed. */
  readonly shiftMs: number;
  readonly limits: Limits;
  /** A destination whose messages are meant to be late. */
  readonly silenced?: string;
  /** `disk`: one of the lab's own, which takes root. */
  readonly needs?: "nats" | "disk";
}

/** The faults of a run with the seed's shifts, by their beginning. */
export function scheduleOf(scenario: Scenario, seed: number): ScheduledFault[] {
  const random: Random = seededRandom(seedFor(seed, scenario.name));
  return scenario.faults
    .map((fault) => ({ ...fault, atMs: Math.round(fault.atMs + random() * scenario.shiftMs) }))
    .toSorted((a, b) => a.atMs - b.atMs);
}

/** When the last fault has ended, milliseconds from the start. */
export function lastEnd(schedule: readonly ScheduledFault[]): number {
  return Math.max(0, ...schedule.map(({ atMs, forMs }) => atMs + forMs));
}

/** For people and reports: `cut publisher.mqtt, acker.mqtt`. */
export function describeFault(fault: Fault): string {
  if ("unit" in fault) return `${fault.do} ${fault.unit}`;
  if ("line" in fault) return `${fault.do} ${fault.line}`;
  return "lines" in fault ? `${fault.do} ${fault.lines.join(", ")}` : fault.do;
}
