/**
 * The bus over NATS. The only importer of `nats` (2.29.3).
 *
 * The client's own reconnecting is off. It keeps what is published meanwhile without a bound, and ends for good when a
 * login is refused twice (PITFALLS of the driver, docs/adr/0010). Here one loop makes one connection after the other,
 * whatever ended the last one, and subscribes anew on each.
 *
 * Invariants:
 *  1. It never gives up: between two attempts it waits a doubling, half random time, at most `CAP_MS`; the doubling
 *     starts again only after a connection that held.
 *  2. A connection that says nothing for two pings (10 s) is dead.
 *  3. Without a connection nothing is kept: `publish` says false, requests say `away`.
 *  4. What is written and not known to have left is at most `MOST_UNFLUSHED` bytes.
 *  5. Credentials are in no log line.
 */
import { connect, createInbox, type Msg, type NatsConnection, type Subscription } from "nats";
import type { Logger } from "../runtime/logger.ts";
import { pause, unlessAborted } from "../runtime/pause.ts";
import {
  type Bus,
  type BusCounts,
  type BusListener,
  type BusReply,
  type GatherOptions,
  MOST_REPLIES,
  type SubscribeOptions,
} from "./bus.ts";

export interface NatsBusOptions {
  /** nats:// or tls://; user and password, or a token alone, before the @. */
  readonly url: string;
  /** CA (PEM) that the server's certificate must come from; without one, the system's. For tls:// alone. */
  readonly ca?: string | null;
  /** Name of this client, as the server lists it. */
  readonly name: string;
  /** What the NATS services API answers for us (`$SRV.PING`, `INFO`, `STATS`). */
  readonly service: { readonly name: string; readonly version: string; readonly metadata: Record<string, string> };
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

interface Subscriber {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly listener: BusListener;
  live: Subscription | null;
}

const BASE_MS = 100;
const CAP_MS = 5_000;
const HELD_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const PING_EVERY_MS = 5_000;
const PINGS_UNANSWERED = 2;
const MOST_UNFLUSHED = 4 * 1024 * 1024;
const LAST_WORDS_MS = 500;

/** Pause before the n-th attempt in a row (n from 0). Milliseconds. */
export function reconnectDelay(failures: number, random: number): number {
  return Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 10)) * (0.5 + random / 2);
}

export class NatsBus implements Bus {
  readonly kind = "nats";
  readonly counts: BusCounts = { dropped: 0, listenerErrors: 0 };
  readonly #options: NatsBusOptions;
  readonly #subscribers = new Set<Subscriber>();
  readonly #statusListeners = new Set<(connected: boolean) => void>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #connection: NatsConnection | null = null;
  /** Why the last attempt failed, as it was said. */
  #lastWhy: string | null = null;
  #unflushed = 0;
  #flushing = false;

  /** Begins to connect. Throws on a URL that is none. */
  constructor(options: NatsBusOptions) {
    this.#options = options;
    const target = readUrl(options.url, options.ca ?? null);
    this.#running = this.#run(target);
  }

  get connected(): boolean {
    return this.#connection !== null;
  }

  publish(subject: string, text: string): boolean {
    return this.#send(subject, text, undefined);
  }

  subscribe(subject: string, listener: BusListener, options: SubscribeOptions = {}): () => void {
    const subscriber: Subscriber = { subject, queue: options.queue, listener, live: null };
    if (this.#stopping.signal.aborted) return () => undefined;
    this.#subscribers.add(subscriber);
    if (this.#connection !== null) this.#listen(this.#connection, subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
      subscriber.live?.unsubscribe();
      subscriber.live = null;
    };
  }

  async request(subject: string, text: string, deadlineMs: number): Promise<BusReply> {
    if (this.#connection === null) return { ok: false, kind: "away" };
    try {
      const reply = await this.#connection.request(subject, text, { timeout: deadlineMs });
      return { ok: true, text: reply.string() };
    } catch (error) {
      const { code } = error as { readonly code?: string };
      if (code === "503") return { ok: false, kind: "no_responder" };
      if (code === "MAX_PAYLOAD_EXCEEDED") return { ok: false, kind: "refused" };
      return { ok: false, kind: code === "TIMEOUT" ? "deadline" : "away" };
    }
  }

  requestMany(subject: string, text: string, { forMs, most }: GatherOptions): Promise<string[]> {
    const connection = this.#connection;
    const enough = Math.min(most, MOST_REPLIES);
    if (connection === null || enough <= 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const replies: string[] = [];
      const inbox = createInbox();
      const end = (): void => {
        clearTimeout(timer);
        subscription.unsubscribe();
        resolve(replies);
      };
      const timer = setTimeout(end, forMs);
      const subscription = connection.subscribe(inbox, {
        callback: (error, message) => {
          // The server says so at once when nobody listens.
          if (error !== null || message.headers?.code === 503) end();
          else if (replies.push(message.string()) >= enough) end();
        },
      });
      if (!this.#send(subject, text, inbox)) end();
    });
  }

  onStatus(listener: (connected: boolean) => void): () => void {
    this.#statusListeners.add(listener);
    return () => void this.#statusListeners.delete(listener);
  }

  async stop(): Promise<void> {
    const connection = this.#connection;
    if (!this.#stopping.signal.aborted && connection !== null) {
      // What was said last, a goodbye for one, is worth a moment.
      await Promise.race([connection.flush().catch(() => "it has gone"), pause(LAST_WORDS_MS, this.#stopping.signal)]);
    }
    this.#stopping.abort();
    this.#subscribers.clear();
    this.#statusListeners.clear();
    await this.#running;
  }

  async #run(target: Target): Promise<void> {
    const { now, random } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      const openedAt = now();
      const held = await this.#holdOne(target);
      failures = held && now() - openedAt >= HELD_MS ? 0 : failures + 1;
      await pause(reconnectDelay(failures, random()), signal);
    }
  }

  /** One connection, from its opening to its end. @returns whether there was one */
  async #holdOne(target: Target): Promise<boolean> {
    const { logger, name } = this.#options;
    const { signal } = this.#stopping;
    const opening = this.#open(target);
    const connection = await unlessAborted(opening, signal);
    if (connection === null) {
      // Stopped meanwhile: what is opened late is closed at once.
      if (signal.aborted) void opening.then((late) => late?.close());
      return false;
    }
    const closed = connection.closed();
    this.#connection = connection;
    this.#lastWhy = null;
    this.#unflushed = 0;
    for (const subscriber of this.#subscribers) this.#listen(connection, subscriber);
    logger.info({ server: target.servers, client: name }, "NATS connected");
    this.#tellStatus(true);
    await this.#offerService(connection);
    const error = await unlessAborted(closed, signal);
    this.#connection = null;
    for (const subscriber of this.#subscribers) subscriber.live = null;
    if (signal.aborted) {
      await connection.close();
      return true;
    }
    const why = error instanceof Error ? error.message : "closed by the server";
    logger.warn({ server: target.servers, why }, "NATS is away; the service works on without its control plane");
    this.#tellStatus(false);
    return true;
  }

  async #open(target: Target): Promise<NatsConnection | null> {
    try {
      return await connect({
        ...target,
        name: this.#options.name,
        reconnect: false,
        timeout: CONNECT_TIMEOUT_MS,
        pingInterval: PING_EVERY_MS,
        maxPingOut: PINGS_UNANSWERED,
        ignoreClusterUpdates: true,
      });
    } catch (error) {
      const why = (error as Error).message;
      // Said once, and again when it has another reason; the same would be said all night.
      if (why !== this.#lastWhy) {
        this.#options.logger.warn({ server: target.servers, why }, "NATS cannot be reached; trying on");
      }
      this.#lastWhy = why;
      return null;
    }
  }

  /** `$SRV.PING`, `INFO` and `STATS` for this connection; without it everything else works. */
  async #offerService(connection: NatsConnection): Promise<void> {
    const { service, logger } = this.#options;
    try {
      await connection.services.add({ ...service, description: "acktor: an outbox that proves delivery over MQTT" });
    } catch (error) {
      if (!connection.isClosed()) logger.warn({ why: (error as Error).message }, "NATS does not list this service");
    }
  }

  #listen(connection: NatsConnection, subscriber: Subscriber): void {
    const { subject, queue, listener } = subscriber;
    try {
      subscriber.live = connection.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, message) => {
          if (error === null) this.#deliver(listener, message);
          else this.#options.logger.warn({ subject, why: error.message }, "NATS refused a subscription");
        },
      });
    } catch {
      // It has just closed; the next one subscribes again.
      subscriber.live = null;
    }
  }

  #deliver(listener: BusListener, message: Msg): void {
    try {
      listener({
        subject: message.subject,
        text: message.string(),
        respond: (text) => {
          if (message.reply) this.#send(message.reply, text, undefined);
        },
      });
    } catch (error) {
      this.counts.listenerErrors++;
      this.#options.logger.error({ err: error, subject: message.subject }, "a listener of the bus failed");
    }
  }

  #send(subject: string, text: string, reply: string | undefined): boolean {
    const connection = this.#connection;
    if (connection === null || this.#unflushed > MOST_UNFLUSHED) {
      this.counts.dropped++;
      return false;
    }
    try {
      connection.publish(subject, text, reply === undefined ? {} : { reply });
    } catch {
      this.counts.dropped++;
      return false;
    }
    this.#unflushed += text.length;
    if (!this.#flushing) void this.#flush(connection);
    return true;
  }

  /** A round trip to the server tells what has left: TCP keeps the order. */
  async #flush(connection: NatsConnection): Promise<void> {
    this.#flushing = true;
    const covered = this.#unflushed;
    const flushed = await connection.flush().then(
      () => true,
      () => false,
    );
    this.#flushing = false;
    if (!flushed || this.#connection !== connection) return;
    this.#unflushed = Math.max(0, this.#unflushed - covered);
    if (this.#unflushed > 0) void this.#flush(connection);
  }

  #tellStatus(connected: boolean): void {
    for (const listener of this.#statusListeners) {
      try {
        listener(connected);
      } catch (error) {
        this.counts.listenerErrors++;
        this.#options.logger.error({ err: error }, "a listener of the bus's status failed");
      }
    }
  }
}

interface Target {
  readonly servers: string;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls?: object;
}

/** Address and credentials of a NATS URL; a user without a password is a token. */
function readUrl(text: string, ca: string | null): Target {
  const url = new URL(text);
  const servers = `${url.hostname}:${url.port || "4222"}`;
  const tls = url.protocol === "tls:" ? { tls: ca === null ? {} : { ca } } : {};
  const user = decodeURIComponent(url.username);
  if (user === "") return { servers, ...tls };
  if (url.password === "") return { servers, token: user, ...tls };
  return { servers, user, pass: decodeURIComponent(url.password), ...tls };
}
