/** Acks that the doctor heard, that the service counted, and the ackers that announced themselves. */
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, ok, warn } from "./check.ts";
import type { Heard } from "./heard-topics.ts";

const SHOWN = 3;

/** The counters of a service's status that the doctor reads; absent ones are 0. */
export class Counters {
  readonly #status: Readonly<Record<string, unknown>> | null;

  /** @param status null if no service answers */
  constructor(status: Readonly<Record<string, unknown>> | null) {
    this.#status = status;
  }

  get isPublisher(): boolean {
    return this.#status?.["service"] === "publisher";
  }

  get isAcker(): boolean {
    return this.#status?.["service"] === "acker";
  }

  of(group: string, name: string): number {
    const counts = this.#status?.[group];
    const value = typeof counts === "object" && counts !== null ? (counts as Record<string, unknown>)[name] : undefined;
    return typeof value === "number" ? value : 0;
  }
}

/** Acks for messages of other outboxes. @param unknown ids that this outbox does not have */
export function judgeForeign(
  { texts }: Session,
  unknown: readonly string[],
  counters: Counters,
  prefix: string,
): Check {
  const { doctor: t } = texts;
  const counted = counters.of("acks", "unknown");
  const data = { heard: unknown.length, counted, example: unknown[0] ?? null };
  if (unknown.length === 0 && counted === 0) return ok("foreign acks", t.noForeign(prefix), data);
  return warn("foreign acks", t.foreign(prefix, unknown.length, counted), t.foreignFix, data);
}

/** Acks of this outbox's messages that arrive where its publisher does not listen. @param own those of its ids */
export function judgeElsewhere({ texts }: Session, heard: Heard, own: readonly string[], prefix: string): Check | null {
  const { doctor: t } = texts;
  const [first] = own;
  if (first === undefined) return null;
  const found = printable(heard.elsewhere.get(first) ?? "", 100);
  return failed("acks elsewhere", t.acksElsewhere(own.length, found, prefix), t.acksElsewhereFix, {
    heard: own.length,
    prefix: found,
  });
}

/** @param isOn whether publishers listen for announcements */
export function judgeAckers({ texts }: Session, { ackers }: Heard, counters: Counters, isOn: boolean): Check | null {
  const { doctor: t } = texts;
  if (!isOn) return null;
  const lost = [...ackers].filter(([, isOnline]) => !isOnline).map(([instance]) => printable(instance, 60));
  const online = ackers.size - lost.length;
  const data = { online, lost: lost.length };
  if (lost.length > 0) {
    return warn("ackers", t.ackersLost(online, lost.length, lost.slice(0, SHOWN).join(", ")), t.ackersLostFix, data);
  }
  if (online === 0 && counters.of("acks", "settled") === 0) return warn("ackers", t.noAckers, t.noAckersFix, data);
  return ok("ackers", t.ackersFound(online), data);
}

type Fix = "unsignedFix" | "mismatchFix" | "malformedAckFix" | "retainedFix" | "ackRefusedFix" | "topicMapFix";

/** Counters that are 0 where all is well, the gravest first, with their remedies. */
const COUNTED: readonly (readonly [service: "publisher" | "acker", group: string, name: string, fix: Fix])[] = [
  ["publisher", "acks", "unsigned", "unsignedFix"],
  ["publisher", "acks", "topic_mismatch", "mismatchFix"],
  ["publisher", "acks", "malformed", "malformedAckFix"],
  ["publisher", "acks", "retained", "retainedFix"],
  ["acker", "topics_changed", "unexplained", "topicMapFix"],
  ["acker", "acks", "refused", "ackRefusedFix"],
  ["acker", "messages", "unauthenticated", "unsignedFix"],
];

/** What the service counted since its start; null if no service answers. */
export function judgeCounted({ texts }: Session, counters: Counters): Check | null {
  const { doctor: t } = texts;
  if (!counters.isPublisher && !counters.isAcker) return null;
  const service = counters.isPublisher ? "publisher" : "acker";
  const found = COUNTED.filter(([of, group, name]) => of === service && counters.of(group, name) > 0);
  const [gravest] = found;
  if (gravest === undefined) return ok("counters", t.nothingCounted);
  const named = found.map(([, group, name]) => `${group}.${name}: ${counters.of(group, name)}`).join(", ");
  return warn("counters", named, t[gravest[3]], { [gravest[2]]: counters.of(gravest[1], gravest[2]) });
}
