/**
 * A scenario as data: its faults, when they start, how long they last, and the limits that must hold.
 *
 * Invariants:
 *  SCENARIO-1. The same seed gives the same schedule.
 */
import type { LineQuality } from "../proxy/lane.ts";
import type { PacketFault } from "../proxy/packet-rules.ts";
import type { Direction } from "../proxy/tcp-proxy.ts";
import { type Random, seededRandom, seedFor } from "../seeded-random.ts";

/** The first level of the topics of the lab's messages. */
export const TOPIC_ROOT = "chaos";

export type LineName = "publisher.mqtt" | "acker.mqtt" | "publisher.db" | "acker.db" | "nats";
export type MqttLineName = "publisher.mqtt" | "acker.mqtt";
export type UnitName = "publisher" | "acker" | "broker" | "postgres" | "nats";

export type Fault =
  | { readonly do: "cut"; readonly lines: readonly LineName[]; readonly how: "refuse" | "silent" }
  | { readonly do: "one-way"; readonly lines: readonly LineName[]; readonly blocked: Direction }
  | { readonly do: "line"; readonly lines: readonly LineName[]; readonly quality: Partial<LineQuality> }
  | { readonly do: "half-open"; readonly lines: readonly LineName[] }
  /** Resets every connection repeatedly. */
  | { readonly do: "reset"; readonly lines: readonly LineName[]; readonly everyMs: number }
  | { readonly do: "packets"; readonly lines: readonly MqttLineName[]; readonly faults: readonly PacketFault[] }
  | { readonly do: "refuse"; readonly lines: readonly MqttLineName[]; readonly code: number }
  /** Another client connects with the id of the client on this line. */
  | { readonly do: "take-over"; readonly line: MqttLineName }
  /** The unit is down until the end of the fault, and is then started again. */
  | { readonly do: "kill" | "stop"; readonly unit: UnitName }
  | { readonly do: "freeze"; readonly unit: UnitName }
  /** The wall clock of a service is wrong until the end of the fault; its monotonic clock does not change. */
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

/** Limits of the scenario. In every scenario: no loss, no double effect, no illegal move, no disorder, no error of the services. */
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
  /** Highest share of answers other than 201. A scenario that kills the publisher or PostgreSQL needs a higher limit. */
  readonly unansweredRatio?: number;
  /** Latency, p99 in ms, of the messages to the destinations that are not silenced. */
  readonly othersP99Ms?: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: { readonly en: string; readonly ja: string };
  readonly faults: readonly ScheduledFault[];
  /** Each fault starts up to this much later; the seed decides. */
  readonly shiftMs: number;
  readonly limits: Limits;
  /** The destination whose messages are late on purpose. */
  readonly silenced?: string;
  /** `disk`: a separate disk, which needs root. */
  readonly needs?: "nats" | "disk";
}

/** The faults of a run, shifted by the seed, sorted by their start. SCENARIO-1 */
export function scheduleOf(scenario: Scenario, seed: number): ScheduledFault[] {
  const random: Random = seededRandom(seedFor(seed, scenario.name));
  return scenario.faults
    .map((fault) => ({ ...fault, atMs: Math.round(fault.atMs + random() * scenario.shiftMs) }))
    .toSorted((a, b) => a.atMs - b.atMs);
}

/** The end of the last fault, in milliseconds from the start. */
export function lastEnd(schedule: readonly ScheduledFault[]): number {
  return Math.max(0, ...schedule.map(({ atMs, forMs }) => atMs + forMs));
}

/** For people and reports: `cut publisher.mqtt, acker.mqtt`. */
export function describeFault(fault: Fault): string {
  if ("unit" in fault) return `${fault.do} ${fault.unit}`;
  if ("line" in fault) return `${fault.do} ${fault.line}`;
  return "lines" in fault ? `${fault.do} ${fault.lines.join(", ")}` : fault.do;
}
