/**
 * Who is there to answer: presence records of ackers (SPEC 3). Everybody who may write to the presence prefix can send
 * them, so nothing is done with one on arrival but to copy it into a queue with a bound.
 *
 * Invariants:
 *  1. A live birth resumes what waits for its filters; a retained one, seen at subscribe, only says who is there.
 *  2. At most `MAX_ACKERS` of `MAX_BYTES` are remembered, and `MAX_WAITING` of `MAX_BYTES` wait to be read; the acker that was
 *     not heard of for longest is forgotten first. Records older than 24 h are ignored.
 *  3. A birth that is repeated (every reconnect of a flapping acker) resumes at most once a second for each acker.
 *  4. A record that is beyond the limits, or comes when too many wait, is counted and logged, throttled. For one that cannot
 *     wait everything is resumed: the birth of an honest acker may have been it.
 */
import type { IncomingMessage } from "@acktor/shared/link/link";
import { decodePresence, PRESENCE_LIMITS, type Presence } from "@acktor/shared/protocol/presence";
import { isUnder } from "@acktor/shared/protocol/topics";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import { PacedWork, type Stepped } from "./paced-work.ts";

const MAX_ACKERS = 10_000;
const MAX_WAITING = 10_000;
const MAX_BYTES = 4 * 1024 * 1024;
/** What a record costs beside its bytes, and each of its filters. */
const RECORD_BYTES = 256;
const FILTER_BYTES = 48;
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
  readonly births: Births;
  readonly logger: Logger;
  readonly guard: ListenerGuard;
}

/** Takes the filters of each birth. */
export interface Births {
  add(filters: readonly string[]): void;
}

interface Waiting {
  readonly payload: Uint8Array;
  readonly retain: boolean;
}

interface Remembered extends AckerSeen {
  readonly bytes: number;
  readonly resumedAt: number;
}

export class PresenceWatch implements Stepped {
  readonly counts = { taken: 0, ignored: 0, overflow: 0 };
  readonly #options: PresenceOptions;
  readonly #throttle: LogThrottle;
  readonly #paced: PacedWork;
  readonly #ackers = new Map<string, Remembered>();
  /** By instance: of one acker only the newest record counts. */
  readonly #waiting = new Map<string, Waiting>();
  #ackerBytes = 0;
  #waitingBytes = 0;
  #online = 0;

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { now, guard } = options;
    this.#throttle = new LogThrottle({ now });
    this.#paced = new PacedWork({ name: "presence", work: this, guard, now });
  }

  /** Ackers that are remembered. */
  get size(): number {
    return this.#ackers.size;
  }

  /** True when one of them is online. */
  get anyOnline(): boolean {
    return this.#online > 0;
  }

  /** True when the topic is one of presence, so that nobody else looks at the message. */
  handles(topic: string): boolean {
    return isUnder(topic, this.#options.prefix);
  }

  receive({ topic, payload, retain }: IncomingMessage): void {
    const instance = topic.slice(this.#options.prefix.length + 1);
    if (payload.byteLength > PRESENCE_LIMITS.bytes || instance.length > PRESENCE_LIMITS.bytes) {
      this.#ignore(instance, `is larger than ${PRESENCE_LIMITS.bytes} bytes`);
      return;
    }
    this.#dropWaiting(instance);
    const bytes = RECORD_BYTES + payload.byteLength;
    if (this.#waiting.size >= MAX_WAITING || this.#waitingBytes + bytes > MAX_BYTES) {
      this.#overflow(instance);
      return;
    }
    // A copy: the driver's buffer is a part of what was read from the socket, and would keep all of that.
    this.#waiting.set(instance, { payload: new Uint8Array(payload), retain });
    this.#waitingBytes += bytes;
    this.#paced.wake();
  }

  /** Reads the record that has waited for longest. */
  step(): boolean {
    const [next] = this.#waiting;
    if (next === undefined) return false;
    const [instance, waiting] = next;
    this.#dropWaiting(instance);
    this.#read(instance, waiting);
    return this.#waiting.size > 0;
  }

  /** Ackers known, in the order in which they were last heard of. */
  list(): AckerSeen[] {
    return [...this.#ackers.values()].map(({ resumedAt: _, bytes: __, ...acker }) => acker);
  }

  /** Twice and early is fine. */
  stop(): void {
    this.#paced.stop();
  }

  #read(instance: string, { payload, retain }: Waiting): void {
    if (payload.byteLength === 0) {
      this.#forget(instance);
      return;
    }
    const decoded = decodePresence(payload);
    if (decoded.kind === "ignored") this.#ignore(instance, decoded.reason);
    else if (decoded.presence.instance !== instance) this.#ignore(instance, "names another instance than its topic");
    else if (this.#options.wallClockSeconds() - decoded.presence.since > MAX_AGE_SECONDS) this.counts.ignored++;
    else this.#take(decoded.presence, retain, payload.byteLength);
  }

  #take(record: Presence, retain: boolean, size: number): void {
    const { now, wallClockSeconds, births } = this.#options;
    const { instance, filters } = record;
    const at = now();
    const before = this.#ackers.get(instance)?.resumedAt ?? Number.NEGATIVE_INFINITY;
    const online = record.status === "online";
    const resume = online && !retain && at - before >= RESUME_PAUSE_MS;
    const since = (retain ? record.since : wallClockSeconds()) * 1_000;
    const bytes = RECORD_BYTES + size + FILTER_BYTES * filters.length;
    this.counts.taken++;
    this.#remember({ instance, filters, online, since, bytes, resumedAt: resume ? at : before });
    if (resume) births.add(filters);
  }

  #remember(acker: Remembered): void {
    this.#forget(acker.instance);
    this.#ackers.set(acker.instance, acker);
    this.#ackerBytes += acker.bytes;
    if (acker.online) this.#online++;
    for (const oldest of this.#ackers.keys()) {
      if (this.#ackers.size <= MAX_ACKERS && this.#ackerBytes <= MAX_BYTES) return;
      this.#forget(oldest);
    }
  }

  #forget(instance: string): void {
    const acker = this.#ackers.get(instance);
    if (acker === undefined) return;
    this.#ackers.delete(instance);
    this.#ackerBytes -= acker.bytes;
    if (acker.online) this.#online--;
  }

  #dropWaiting(instance: string): void {
    const waiting = this.#waiting.get(instance);
    if (waiting === undefined) return;
    this.#waiting.delete(instance);
    this.#waitingBytes -= RECORD_BYTES + waiting.payload.byteLength;
  }

  #ignore(instance: string, reason: string): void {
    this.counts.ignored++;
    const unsaid = this.#throttle.admit("ignored");
    if (unsaid === null) return;
    this.#options.logger.warn(
      { instance: printable(instance), reason, unsaid },
      "the announcement of an acker is ignored; give each acker fewer filters, or find out who writes to the presence prefix",
    );
  }

  #overflow(instance: string): void {
    this.counts.overflow++;
    this.#options.births.add(["#"]);
    const unsaid = this.#throttle.admit("overflow");
    if (unsaid === null) return;
    this.#options.logger.warn(
      { instance: printable(instance), waiting: this.#waiting.size, unsaid },
      "too many announcements of ackers at a time; one is not read, and everything that waits is resumed instead",
    );
  }
}
