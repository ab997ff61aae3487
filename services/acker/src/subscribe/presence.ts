/**
 * An acker's presence, retained on `<prefix>/<instance>` (docs/reference/protocol.md): a birth at each connection and every
 * few hours, a will for a lost connection, an empty payload for a clean stop.
 */
import type { Link, PublishOutcome } from "@acktor/shared/link/link";
import { encodePresence } from "@acktor/shared/protocol/presence";
import type { Clock, Random } from "@acktor/shared/runtime/clock";

export interface PresenceParts {
  readonly prefix: string;
  readonly instance: string;
  /** Filters of the messages that it takes, without a group. */
  readonly filters: readonly string[];
  readonly clock: Pick<Clock, "wallClock">;
}

export interface Will {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 1;
  readonly retain: true;
}

const HOUR_MS = 3_600_000;

/**
 * How long until the next birth of an acker that stays connected, milliseconds: publishers ignore retained births of more than
 * 24 h, and brokers without retained messages show none to a publisher that comes later. Three to five hours, so that ackers
 * that were started together do not stay together.
 */
export function birthRenewalMs(random: Random): number {
  return (3 + 2 * random.next()) * HOUR_MS;
}

const topicOf = ({ prefix, instance }: PresenceParts): string => `${prefix}/${instance}`;
const secondsOf = ({ clock }: PresenceParts): number => clock.wallClock() / 1_000;

/** What the broker publishes for the acker when the connection breaks. */
export function presenceWill(parts: PresenceParts): Will {
  const { instance } = parts;
  const payload = encodePresence({ instance, status: "lost", filters: [], since: secondsOf(parts) });
  return { topic: topicOf(parts), payload, qos: 1, retain: true };
}

/** What the broker takes. */
export interface PresenceForm {
  readonly retain: boolean;
  readonly qos: 0 | 1;
}

/** Publishes the birth. */
export function announcePresence(
  link: Link,
  parts: PresenceParts,
  form: PresenceForm,
  onOutcome: (outcome: PublishOutcome) => void,
): void {
  const { instance, filters } = parts;
  const payload = encodePresence({ instance, status: "online", filters, since: secondsOf(parts) });
  link.publish({ topic: topicOf(parts), payload, ...form }, onOutcome);
}

/** Clears the presence. Resolves when the broker has it, after `timeoutMs`, or immediately without a connection. */
export function clearPresence(link: Link, parts: PresenceParts, form: PresenceForm, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    link.publish({ topic: topicOf(parts), payload: "", ...form }, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
