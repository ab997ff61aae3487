/**
 * Reads the presence records of ackers (docs/reference/protocol.md). Every client that may write to the presence prefix can send
 * them, so that a record on arrival is only copied into a queue with a bound.
 *
 * Invariants:
 *  PRESENCE-1. A live birth resumes what waits for its filters, regardless of the time in it: devices may have no clock. A
 *     retained one, seen at subscribe, may have been published while this publisher was away. It resumes, too, where it is
 *     news: its acker was not known to be online, the record is another one, or (once a connection) it has no usable time.
 *     Once there were more ackers than are remembered, retained ones resume nothing.
 *  PRESENCE-2. At most `MAX_ACKERS` of `MAX_BYTES` are remembered, and `MAX_WAITING` of `MAX_BYTES` wait to be read; the acker
 *     with the oldest record is forgotten first. Retained records older than 24 h are ignored; one without a usable time
 *     (none, an uptime, text, tomorrow) has no age.
 *  PRESENCE-3. A birth that is repeated (every reconnect of a flapping acker) resumes at most once a second for each acker.
 *  PRESENCE-4. A record that exceeds the limits, or comes when too many wait, is counted and logged, throttled. When a live
 *     record cannot wait, everything is resumed, because it may have been the birth of an honest acker.
 */
import type { IncomingMessage } from "@acktor/shared/link/link";
import { decodePresence, PRESENCE_LIMITS, type Presence } from "@acktor/shared/protocol/presence";
import { isUnder } from "@acktor/shared/protocol/topics";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import { PacedWork, type Stepped } from "./paced-work.ts";

const MAX_ACKERS = 10_000;
const MAX_WAITING = 10_000;
const MAX_BYTES = 4 * 1024 * 1024;
/** What a record costs in addition to its bytes, and each of its filters. */
const RECORD_BYTES = 256;
const FILTER_BYTES = 48;
const DAY_SECONDS = 24 * 3_600;
/** 2020: a smaller number is an uptime, or a clock that was never set. */
const FIRST_USABLE_SECONDS = 1_577_836_800;
const RESUME_PAUSE_MS = 1_000;

export interface AckerSeen {
  readonly instance: string;
  readonly filters: readonly string[];
  readonly online: boolean;
  /** Time of the record, milliseconds since 1970; of a retained record with a usable time, by the acker's clock. */
  readonly since: number;
}

export interface PresenceParts {
  readonly prefix: string;
  readonly clock: Clock;
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
  /** As the record has it. */
  readonly said: number;
  /** Connection in which the record came. */
  readonly connection: number;
  readonly bytes: number;
  readonly resumedAt: number;
}

export class PresenceWatch implements Stepped {
  readonly counts = { taken: 0, ignored: 0, overflow: 0 };
  readonly #parts: PresenceParts;
  readonly #throttle: LogThrottle;
  readonly #paced: PacedWork;
  readonly #ackers = new Map<string, Remembered>();
  /** By instance: of one acker only the newest record counts. */
  readonly #waiting = new Map<string, Waiting>();
  #ackerBytes = 0;
  #waitingBytes = 0;
  #online = 0;
  /** Written by `connected`. */
  #connection = 0;
  /** An acker had to be forgotten. */
  #isFull = false;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    const { clock, guard } = parts;
    this.#throttle = new LogThrottle(clock);
    this.#paced = new PacedWork({ name: "presence", work: this, guard, clock });
  }

  /** Ackers that are remembered. */
  get size(): number {
    return this.#ackers.size;
  }

  /** True when one of them is online. */
  get anyOnline(): boolean {
    return this.#online > 0;
  }

  /** True for a topic of presence. */
  handles(topic: string): boolean {
    return isUnder(topic, this.#parts.prefix);
  }

  /** The broker is about to send what it has retained. */
  connected(): void {
    this.#connection++;
  }

  receive({ topic, payload, retain }: IncomingMessage): void {
    const instance = topic.slice(this.#parts.prefix.length + 1);
    if (payload.byteLength > PRESENCE_LIMITS.bytes || instance.length > PRESENCE_LIMITS.bytes) {
      this.#ignore(instance, `is larger than ${PRESENCE_LIMITS.bytes} bytes`);
      return;
    }
    this.#dropWaiting(instance);
    const bytes = RECORD_BYTES + payload.byteLength;
    if (this.#waiting.size >= MAX_WAITING || this.#waitingBytes + bytes > MAX_BYTES) {
      this.#overflow(instance, retain);
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

  /** Ackers known, the latest record last. */
  list(): AckerSeen[] {
    return [...this.#ackers.values()].map(({ instance, filters, online, since }) => ({
      instance,
      filters,
      online,
      since,
    }));
  }

  /** May be called early; a second call has no effect. */
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
    else if (retain && this.#isOld(decoded.presence.since)) this.counts.ignored++;
    else this.#take(decoded.presence, retain, payload.byteLength);
  }

  #take(record: Presence, retain: boolean, size: number): void {
    const { clock, births } = this.#parts;
    const { instance, filters } = record;
    const at = clock.now();
    const before = this.#ackers.get(instance);
    const resumedAt = before?.resumedAt ?? Number.NEGATIVE_INFINITY;
    const online = record.status === "online";
    // PRESENCE-1, PRESENCE-3
    const counts = !retain || (!this.#isFull && this.#isNews(record, before));
    const resume = online && counts && at - resumedAt >= RESUME_PAUSE_MS;
    const since = retain && this.#isUsable(record.since) ? record.since * 1_000 : clock.wallClock();
    const bytes = RECORD_BYTES + size + FILTER_BYTES * filters.length;
    this.counts.taken++;
    const acker = { instance, filters, online, since, said: record.since, connection: this.#connection, bytes };
    this.#remember({ ...acker, resumedAt: resume ? at : resumedAt });
    if (resume) births.add(filters);
  }

  #isNews({ since }: Presence, before: Remembered | undefined): boolean {
    if (before === undefined || !before.online || before.said !== since) return true;
    return !this.#isUsable(since) && before.connection !== this.#connection;
  }

  #isUsable(seconds: number): boolean {
    return seconds >= FIRST_USABLE_SECONDS && seconds <= this.#parts.clock.wallClock() / 1_000 + DAY_SECONDS;
  }

  #isOld(seconds: number): boolean {
    return this.#isUsable(seconds) && this.#parts.clock.wallClock() / 1_000 - seconds > DAY_SECONDS;
  }

  #remember(acker: Remembered): void {
    this.#forget(acker.instance);
    this.#ackers.set(acker.instance, acker);
    this.#ackerBytes += acker.bytes;
    if (acker.online) this.#online++;
    // PRESENCE-2
    for (const oldest of this.#ackers.keys()) {
      if (this.#ackers.size <= MAX_ACKERS && this.#ackerBytes <= MAX_BYTES) return;
      this.#forget(oldest);
      this.#isFull = true;
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
    this.#parts.logger.warn(
      { instance: printable(instance), reason, unsaid },
      "ignored the announcement of an acker; give each acker fewer filters, or find out which client writes to the presence prefix",
    );
  }

  #overflow(instance: string, retain: boolean): void {
    this.counts.overflow++;
    if (retain) return;
    // PRESENCE-4
    this.#parts.births.add(["#"]);
    const unsaid = this.#throttle.admit("overflow");
    if (unsaid === null) return;
    this.#parts.logger.warn(
      { instance: printable(instance), waiting: this.#waiting.size, unsaid },
      "too many announcements of ackers at a time; one was dropped, and all waiting messages are resumed instead",
    );
  }
}
