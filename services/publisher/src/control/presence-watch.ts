/**
 * Who is there to answer: presence records of ackers (SPEC 3).
 *
 * Invariants:
 *  1. A live birth resumes what waits for its filters; a retained one, seen at subscribe, only says who is there.
 *  2. At most `MAX_ACKERS` are remembered; records older than 24 h are ignored.
 *  3. A birth that is repeated (every reconnect of a flapping acker) resumes at most once a second for each acker.
 */
import type { IncomingMessage } from "@acktor/shared/link/link";
import { decodePresence } from "@acktor/shared/protocol/presence";
import { isUnder } from "@acktor/shared/protocol/topics";

const MAX_ACKERS = 10_000;
const MAX_AGE_SECONDS = 24 * 3_600;
const RESUME_PAUSE_MS = 1_000;

export interface AckerSeen {
  readonly instance: string;
  readonly filters: readonly string[];
  readonly online: boolean;
  /** When it said so, milliseconds since 1970; of a record found at subscribe, by the acker's clock. */
  readonly since: number;
}

export interface PresenceOptions {
  readonly prefix: string;
  readonly now: () => number;
  /** Seconds since 1970. */
  readonly wallClockSeconds: () => number;
  readonly onBirth: (filters: readonly string[]) => void;
}

export class PresenceWatch {
  readonly #options: PresenceOptions;
  readonly #ackers = new Map<string, AckerSeen & { readonly resumedAt: number }>();
  ignored = 0;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** True when the topic is one of presence, so that nobody else looks at the message. */
  handles(topic: string): boolean {
    return isUnder(topic, this.#options.prefix);
  }

  receive({ topic, payload, retain }: IncomingMessage): void {
    const instance = topic.slice(this.#options.prefix.length + 1);
    if (payload.byteLength === 0) {
      this.#ackers.delete(instance);
      return;
    }
    const record = decodePresence(payload);
    const age = record === null ? 0 : this.#options.wallClockSeconds() - record.since;
    if (record === null || record.instance !== instance || age > MAX_AGE_SECONDS) {
      this.ignored++;
      return;
    }
    const now = this.#options.now();
    const before = this.#ackers.get(instance);
    const online = record.status === "online";
    const resume = online && !retain && now - (before?.resumedAt ?? Number.NEGATIVE_INFINITY) >= RESUME_PAUSE_MS;
    const resumedAt = resume ? now : (before?.resumedAt ?? Number.NEGATIVE_INFINITY);
    this.#ackers.delete(instance);
    const since = (retain ? record.since : this.#options.wallClockSeconds()) * 1_000;
    this.#ackers.set(instance, { instance, filters: record.filters, online, since, resumedAt });
    const oldest = this.#ackers.keys().next().value;
    if (this.#ackers.size > MAX_ACKERS && oldest !== undefined) this.#ackers.delete(oldest);
    if (resume) this.#options.onBirth(record.filters);
  }

  /** Ackers known, in the order in which they were last heard of. */
  list(): AckerSeen[] {
    return [...this.#ackers.values()].map(({ resumedAt: _, ...acker }) => acker);
  }
}
