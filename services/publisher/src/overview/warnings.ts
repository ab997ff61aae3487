/**
 * Warnings for operators, each with the time since when it holds. `Warnings` remembers that time for each code, and forgets
 * codes that no longer hold.
 */

import type { OldLock } from "../outbox/old-locks.ts";
import type { IgnoredDevice } from "../settle/ignored-acks.ts";

export interface WarningFacts {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The kind of its state; `ok` while it takes writes. */
  readonly postgres: string;
  /** State of the connection, and why it is not CONNECTED. */
  readonly connection: string;
  readonly reason: string | null;
  readonly breaker: string;
  readonly service: string;
  /** When an acker was last seen, or this process began; milliseconds since 1970. */
  readonly ackerSeenAt: number;
  readonly waiting: number | null;
  readonly highWater: number;
  readonly oldestWaitingMs: number | null;
  readonly oldWaitingMs: number;
  /** PUBLISHes a second beyond which the broker leaves some out. */
  readonly quota: number | null;
  readonly parked: number;
  /** The device whose acks cannot be read that was heard last. */
  readonly ignoredAcks: IgnoredDevice | null;
  /** The oldest first. */
  readonly locks: readonly OldLock[];
  /** Messages at which the broker closes the connection. */
  readonly hangUps: { readonly count: number; readonly topics: readonly string[] } | null;
  readonly troubles: readonly WarnedTrouble[];
}

/** A part that fails. */
export interface WarnedTrouble {
  readonly area: string;
  /** SQLSTATE, or the driver's code. */
  readonly code: string;
  readonly remedy: string;
  readonly forMs: number;
}

export interface Warning {
  readonly code: WarningCode;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly [param: string]: string | number | null;
}

export type WarningCode =
  | "postgres_away"
  | "broker_away"
  | "breaker_open"
  | "no_acker"
  | "high_water"
  | "near_high_water"
  | "old_waiting"
  | "old_lock"
  | "parked"
  | "acks_ignored"
  | "quota"
  | "hang_ups"
  | "paused"
  | "failing";

/** Without an acker for this long, the operator is warned. */
const NO_ACKER_MS = 120_000;
const NEAR = 0.8;

interface Found {
  readonly code: WarningCode;
  /** Where it is known better than by the first sample. */
  readonly since?: number;
  readonly params?: Readonly<Record<string, string | number | null>>;
}

/** Warnings that hold now, the gravest first. */
function judge(facts: WarningFacts): Found[] {
  const { at, connection, waiting, highWater, oldestWaitingMs, oldWaitingMs } = facts;
  const found: (Found | false)[] = [
    facts.postgres !== "ok" && { code: "postgres_away", params: { state: facts.postgres } },
    connection !== "CONNECTED" && { code: "broker_away", params: { state: connection, reason: facts.reason } },
    facts.breaker === "OPEN" && { code: "breaker_open" },
    waiting !== null && waiting >= highWater && { code: "high_water", params: { waiting, high_water: highWater } },
    waiting !== null &&
      waiting < highWater &&
      waiting >= NEAR * highWater && { code: "near_high_water", params: { waiting, high_water: highWater } },
    // Only the broker knows which ackers are connected.
    connection === "CONNECTED" &&
      at - facts.ackerSeenAt >= NO_ACKER_MS && { code: "no_acker", since: facts.ackerSeenAt },
    oldestWaitingMs !== null &&
      oldestWaitingMs > oldWaitingMs && {
        code: "old_waiting",
        since: at - oldestWaitingMs,
        params: { seconds: Math.round(oldestWaitingMs / 1_000) },
      },
    ...facts.locks.slice(0, 1).map(({ holder, seconds }) => oldLock(at, holder, seconds, facts.locks.length)),
    facts.hangUps !== null && {
      code: "hang_ups",
      params: { messages: facts.hangUps.count, topics: facts.hangUps.topics.join(", ") },
    },
    facts.quota !== null && { code: "quota", params: { rate: facts.quota } },
    facts.parked > 0 && { code: "parked", params: { destinations: facts.parked } },
    facts.ignoredAcks !== null && { code: "acks_ignored", params: { ...facts.ignoredAcks } },
    facts.service === "PAUSED" && { code: "paused" },
    // Without the database every part fails: one warning is enough.
    ...(facts.postgres === "ok" ? facts.troubles.map((trouble) => failing(at, trouble)) : []),
  ];
  return found.filter((one): one is Found => one !== false);
}

function oldLock(at: number, holder: string, seconds: number, count: number): Found {
  return { code: "old_lock", since: at - seconds * 1_000, params: { holder, count } };
}

function failing(at: number, { area, code, remedy, forMs }: WarnedTrouble): Found {
  return { code: "failing", since: at - forMs, params: { area, sqlstate: code, remedy } };
}

export class Warnings {
  #since = new Map<WarningCode, number>();

  /** The warnings of now. Call it once a second, so that `since` is right. */
  note(facts: WarningFacts): Warning[] {
    const found = judge(facts);
    const since = new Map(found.map((one) => [one.code, one.since ?? this.#since.get(one.code) ?? facts.at]));
    this.#since = since;
    return found.map((one) => ({
      code: one.code,
      since: one.since ?? since.get(one.code) ?? facts.at,
      ...one.params,
    }));
  }
}
