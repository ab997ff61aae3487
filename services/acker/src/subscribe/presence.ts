/**
 * An acker's presence, retained on `<prefix>/<instance>` (SPEC 3): a birth at each connection, a will for a loss,
 * an empty payload for a clean stop.
 */
import type { Link } from "@acktor/shared/link/link";
import { encodePresence } from "@acktor/shared/protocol/presence";

export interface PresenceOptions {
  readonly prefix: string;
  readonly instance: string;
  /** Filters of the messages it takes, without a group. */
  readonly filters: readonly string[];
  /** Seconds since 1970. */
  readonly clock: () => number;
}

export interface Will {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 1;
  readonly retain: true;
}

const topicOf = (options: PresenceOptions): string => `${options.prefix}/${options.instance}`;

/** What the broker says for us when the connection breaks. */
export function presenceWill(options: PresenceOptions): Will {
  const { instance, clock } = options;
  const payload = encodePresence({ instance, status: "lost", filters: [], since: clock() });
  return { topic: topicOf(options), payload, qos: 1, retain: true };
}

/**
 * Says that we are here.
 * @param onOutcome true when the broker has it; a birth that is lost with its connection is said again at the next one
 */
export function announcePresence(link: Link, options: PresenceOptions, onOutcome: (said: boolean) => void): void {
  const { instance, filters, clock } = options;
  const payload = encodePresence({ instance, status: "online", filters, since: clock() });
  link.publish({ topic: topicOf(options), payload, qos: 1, retain: true }, ({ kind }) => onOutcome(kind === "acked"));
}

/** Takes our presence away. Resolves when the broker has it, or after `timeoutMs`, or at once without a connection. */
export function clearPresence(link: Link, options: PresenceOptions, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    link.publish({ topic: topicOf(options), payload: "", qos: 1, retain: true }, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
