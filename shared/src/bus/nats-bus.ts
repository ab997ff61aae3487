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
 *  NATS-7. What is heard waits in a bounded queue and is dealt with a few milliseconds at a time (turn-queue.ts): a flood
 *          here slows neither MQTT nor PostgreSQL. What does not fit is dropped and counted.
 *  NATS-6. Replies come to inboxes below `inbox` alone, so that a user of NATS can be given its own and no other's.
 */
import { connect, createInbox, type Msg, type NatsConnection, type Subscription } from "nats";
import { ListenerGuard } from "../runtime/guarded-listener.ts";
import type { Logger } from "../runtime/logger.ts";
import { pause, unlessAborted } from "../runtime/pause.ts";
import {
  type Bus,
  type BusCounts,
  type BusListener,
  type BusMessage,
  type BusReply,
  type GatherOptions,
  MOST_MESSAGE_BYTES,
  MOST_REPLIES,
  MOST_REPLY_BYTES,
  type ReplyJudge,
  type SubscribeOptions,
} from "./bus.ts";
import { TurnQueue } from "./turn-queue.ts";

export interface NatsBusOptions {
  /** nats:// or tls://; user and password, or a token alone, before the @. */
  readonly url: string;
  /** CA (PEM) that the server's certificate must come from; without one, the system's. For tls:// alone. */
  readonly ca?: string | null;
  /** First word of the inboxes to which replies come; `_INBOX` where it is left out. */
  readonly inbox?: string;
  /** Name of this client, as the server lists it. */
  readonly name: string;
  /** What the NATS services API answers for us (`$SRV.PING`, `INFO`, `STATS`). */
  readonly service: { readonly name: string; readonly version: string; readonly metadata: Record<string, string> };
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

interface Gathered {
  readonly replies: string[];
  /** Why there are no more of them. */
  readonly ended: "deadline" | "no_responder" | "away";
}

interface Subscriber {
  readonly subject: string;
  readonly queue: string | undefined;
  /** Guarded: it never throws. */
  readonly listener: (message: BusMessage) => void;
  readonly mostBytes: number;
  live: Subscription | null;
}

const BASE_MS = 100;
const CAP_MS = 5_000;
const HELD_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const PING_EVERY_MS = 5_000;
const PINGS_UNANSWERED = 2;
const MOST_HEARD = 4_000;
const MOST_HEARD_BYTES = 4 * 1024 * 1024;
const LARGE_BYTES = 16 * 1024;
const MOST_UNFLUSHED = 4 * 1024 * 1024;
const LAST_WORDS_MS = 500;

/** Pause before the n-th attempt in a row (n from 0). Milliseconds. */
export function reconnectDelay(failures: number, random: number): number {
  return Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 10)) * (0.5 + random / 2);
}

export class NatsBus implements Bus {
  readonly kind = "nats";
  readonly #options: NatsBusOptions;
  readonly #guard: ListenerGuard;
  readonly #heard: TurnQueue;
  readonly #replies: TurnQueue;
  readonly #counts = { dropped: 0, refused: 0 };
  readonly #subscribers = new Set<Subscriber>();
  readonly #statusListeners = new Set<(connected: boolean) => void>();
  /** Ends what waits for replies on a connection that has ended. */
  readonly #ending = new Set<() => void>();
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
    this.#guard = new ListenerGuard({ logger: options.logger, clock: options });
    const { now } = options;
    this.#heard = new TurnQueue({ mostTasks: MOST_HEARD, mostBytes: MOST_HEARD_BYTES, now });
    this.#replies = new TurnQueue({ mostTasks: MOST_REPLIES, mostBytes: MOST_REPLY_BYTES, now });
    const target = readUrl(options.url, options.ca ?? null);
    this.#running = this.#run(target);
  }

  get counts(): Readonly<BusCounts> {
    return { ...this.#counts, listenerErrors: this.#guard.failures };
  }

  get connected(): boolean {
    return this.#connection !== null;
  }

  publish(subject: string, text: string): boolean {
    return this.#send(subject, text, undefined);
  }

  subscribe(subject: string, listener: BusListener, options: SubscribeOptions = {}): () => void {
    const { queue, mostBytes = MOST_MESSAGE_BYTES } = options;
    const guarded = this.#guard.wrap(`bus ${subject}`, (message: BusMessage) => {
      const heard = listener(message);
      return heard instanceof Promise ? heard : undefined;
    });
    const subscriber: Subscriber = { subject, queue, listener: guarded, mostBytes, live: null };
    if (this.#stopping.signal.aborted) return () => undefined;
    this.#subscribers.add(subscriber);
    if (this.#connection !== null) this.#listen(this.#connection, subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
      subscriber.live?.unsubscribe();
      subscriber.live = null;
    };
  }

  async request(subject: string, text: string, deadlineMs: number, accept?: ReplyJudge): Promise<BusReply> {
    const connection = this.#connection;
    if (connection === null) return { ok: false, kind: "away" };
    if (Buffer.byteLength(text) > (connection.info?.max_payload ?? MOST_MESSAGE_BYTES)) {
      return { ok: false, kind: "refused" };
    }
    const gathered = await this.#gather(connection, subject, text, {
      forMs: deadlineMs,
      most: 1,
      ...(accept && { accept }),
    });
    const [reply] = gathered.replies;
    return reply === undefined ? { ok: false, kind: gathered.ended } : { ok: true, text: reply };
  }

  async requestMany(subject: string, text: string, options: GatherOptions): Promise<string[]> {
    const connection = this.#connection;
    if (connection === null || options.most <= 0) return [];
    return (await this.#gather(connection, subject, text, options)).replies;
  }

  #gather(
    connection: NatsConnection,
    subject: string,
    text: string,
    { forMs, most, accept }: GatherOptions,
  ): Promise<Gathered> {
    const enough = Math.min(most, MOST_REPLIES);
    return new Promise((resolve) => {
      const replies: string[] = [];
      let bytes = 0;
      const inbox = createInbox(this.#options.inbox);
      const end = (ended: Gathered["ended"]): void => {
        clearTimeout(timer);
        this.#ending.delete(leave);
        subscription.unsubscribe();
        resolve({ replies, ended });
      };
      const leave = (): void => end("away");
      const timer = setTimeout(() => end("deadline"), forMs);
      const take = this.#guard.wrap("bus reply", (data: Buffer): void => {
        if (!this.#ending.has(leave)) return;
        const reply = data.toString("utf8");
        if (accept?.(reply) !== false && replies.push(reply) >= enough) end("deadline");
      });
      const hear = (message: Msg): void => {
        const { byteLength } = message.data;
        bytes += byteLength;
        if (bytes > MOST_REPLY_BYTES) return;
        const data = ownBytes(message.data);
        this.#replies.push(byteLength, () => take(data));
      };
      const callback = this.#guard.wrap("bus reply", (error: Error | null, message: Msg): void => {
        if (error !== null) end("away");
        // The server says so at once when there is no listener.
        else if (message.headers?.code === 503 && message.data.byteLength === 0) end("no_responder");
        else hear(message);
      });
      const subscription = connection.subscribe(inbox, { callback });
      this.#ending.add(leave);
      if (!this.#send(subject, text, inbox)) end("away");
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
    this.#heard.stop();
    this.#replies.stop();
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
      if (signal.aborted) void opening.then((late) => late?.close()).catch(() => "it has closed itself");
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
    for (const leave of [...this.#ending]) leave();
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
      const { name, inbox } = this.#options;
      return await connect({
        ...target,
        ...(inbox === undefined ? {} : { inboxPrefix: inbox }),
        name,
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
    const { subject, queue } = subscriber;
    try {
      subscriber.live = connection.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, message) => {
          if (error === null) this.#hear(subscriber, message);
          else this.#options.logger.warn({ subject, why: error.message }, "NATS refused a subscription");
        },
      });
    } catch {
      // It has just closed; the next one subscribes again.
      subscriber.live = null;
    }
  }

  #hear(subscriber: Subscriber, message: Msg): void {
    const { byteLength } = message.data;
    if (byteLength > subscriber.mostBytes) {
      this.#counts.refused++;
      return;
    }
    const { subject, reply } = message;
    const data = ownBytes(message.data);
    const taken = this.#heard.push(byteLength, () => this.#deliver(subscriber, subject, data, reply));
    if (!taken) this.#counts.refused++;
  }

  #deliver(subscriber: Subscriber, subject: string, data: Buffer, reply: string | undefined): void {
    if (!this.#subscribers.has(subscriber)) return;
    const respond = (text: string): void => {
      if (reply) this.#send(reply, text, undefined);
    };
    subscriber.listener({ subject, text: data.toString("utf8"), nonce: null, respond });
  }

  #send(subject: string, text: string, reply: string | undefined): boolean {
    const connection = this.#connection;
    if (connection === null || this.#unflushed > MOST_UNFLUSHED) {
      this.#counts.dropped++;
      return false;
    }
    try {
      connection.publish(subject, text, reply === undefined ? {} : { reply });
    } catch {
      this.#counts.dropped++;
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
    for (const listener of this.#statusListeners) this.#guard.wrap("bus status", listener)(connected);
  }
}

/**
 * A message is a view of all that came with it in 64 KiB, which a queue would keep: a small one is copied. A large one is most
 * of what it would keep, and copies of large ones doubled the garbage of a flood.
 */
function ownBytes(data: Uint8Array): Buffer {
  return data.byteLength < LARGE_BYTES ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
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
