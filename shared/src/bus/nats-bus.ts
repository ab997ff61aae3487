/**
 * The bus over NATS. On each connection (nats-connector.ts) it subscribes again.
 *
 * Invariants:
 *  NATS-3. Without a connection nothing is kept: `publish` returns false, requests return `away`.
 *  NATS-4. Bytes that are written and not known to have left are at most `MOST_UNFLUSHED` (nats-sender.ts).
 *  NATS-6. Replies arrive in inboxes below `inbox` only, so that a user of NATS can have its own inboxes and no other's.
 *  NATS-7. Messages that arrive wait in a bounded queue and are handled a few milliseconds at a time (turn-queue.ts): a flood
 *          here slows neither MQTT nor PostgreSQL. A message that does not fit is dropped and counted.
 */
import { ListenerGuard } from "../runtime/guarded-listener.ts";
import { pause } from "../runtime/pause.ts";
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
  type StatusListener,
  type SubscribeOptions,
} from "./bus.ts";
import {
  createInbox,
  type Msg,
  type NatsBusOptions,
  type NatsConnection,
  ownBytes,
  type Subscription,
} from "./nats-connection.ts";
import { type ConnectionListener, NatsConnector } from "./nats-connector.ts";
import { type Gathered, type Gathering, openGathering } from "./nats-gathering.ts";
import { NatsSender } from "./nats-sender.ts";
import { type Task, TurnQueue } from "./turn-queue.ts";

interface Subscriber {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly listener: BusListener;
  readonly mostBytes: number;
  /** Written when the bus connects, and when the connection ends. */
  live: Subscription | null;
}

/** One connection and its sender. */
interface Live {
  readonly connection: NatsConnection;
  readonly sender: NatsSender;
}

const MOST_HEARD = 4_000;
const MOST_HEARD_BYTES = 4 * 1024 * 1024;
const LAST_WORDS_MS = 500;

export class NatsBus implements Bus, ConnectionListener {
  readonly kind = "nats";
  readonly #options: NatsBusOptions;
  readonly #guard: ListenerGuard;
  readonly #heard: TurnQueue;
  readonly #replies: TurnQueue;
  readonly #counts = { dropped: 0, refused: 0 };
  readonly #subscribers = new Set<Subscriber>();
  readonly #statusListeners = new Set<StatusListener>();
  readonly #gatherings = new Set<Gathering>();
  readonly #connector: NatsConnector;
  #live: Live | null = null;

  /** Starts connecting. Throws on an invalid URL. */
  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.#guard = new ListenerGuard(options);
    const { clock } = options;
    this.#heard = new TurnQueue({ mostTasks: MOST_HEARD, mostBytes: MOST_HEARD_BYTES, clock });
    this.#replies = new TurnQueue({ mostTasks: MOST_REPLIES, mostBytes: MOST_REPLY_BYTES, clock });
    this.#connector = new NatsConnector(options, this);
    this.#connector.start();
  }

  get counts(): Readonly<BusCounts> {
    return { ...this.#counts, listenerErrors: this.#guard.failures };
  }

  get connected(): boolean {
    return this.#live !== null;
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
    if (this.#connector.isStopped) return () => undefined;
    this.#subscribers.add(subscriber);
    if (this.#live !== null) this.#listen(this.#live.connection, subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
      subscriber.live?.unsubscribe();
      subscriber.live = null;
    };
  }

  async request(subject: string, text: string, deadlineMs: number, accept?: ReplyJudge): Promise<BusReply> {
    const live = this.#live;
    if (live === null) return { ok: false, kind: "away" }; // BUS-2
    if (Buffer.byteLength(text) > (live.connection.info?.max_payload ?? MOST_MESSAGE_BYTES)) {
      return { ok: false, kind: "refused" };
    }
    const options = { forMs: deadlineMs, most: 1, ...(accept && { accept }) };
    const { replies, ended } = await this.#gather(live.connection, subject, text, options);
    const [reply] = replies;
    return reply === undefined ? { ok: false, kind: ended } : { ok: true, text: reply };
  }

  async requestMany(subject: string, text: string, options: GatherOptions): Promise<string[]> {
    if (this.#live === null || options.most <= 0) return [];
    return (await this.#gather(this.#live.connection, subject, text, options)).replies;
  }

  onStatus(listener: StatusListener): () => void {
    this.#statusListeners.add(listener);
    return () => void this.#statusListeners.delete(listener);
  }

  async stop(): Promise<void> {
    if (!this.#connector.isStopped && this.#live !== null) {
      // The last messages, such as a goodbye, get a moment to leave.
      const left = new AbortController();
      const flushed = this.#live.connection.flush().catch(() => "the connection is closed");
      await Promise.race([flushed, pause(LAST_WORDS_MS, left.signal)]);
      left.abort();
    }
    const stopped = this.#connector.stop();
    this.#heard.stop();
    this.#replies.stop();
    this.#subscribers.clear();
    this.#statusListeners.clear();
    await stopped;
  }

  // ConnectionListener

  opened(connection: NatsConnection): void {
    this.#live = { connection, sender: new NatsSender(connection) };
    for (const subscriber of this.#subscribers) this.#listen(connection, subscriber);
    this.#emitStatus(true);
  }

  closed(): void {
    this.#live = null;
    for (const subscriber of this.#subscribers) subscriber.live = null;
    for (const gathering of [...this.#gatherings]) gathering.end("away");
    this.#emitStatus(false);
  }

  async #gather(connection: NatsConnection, subject: string, text: string, options: GatherOptions): Promise<Gathered> {
    const inbox = createInbox(this.#options.inbox); // NATS-6
    const parts = { ...options, connection, inbox, guard: this.#guard, queue: this.#replies };
    const gathering = openGathering(parts);
    if (gathering === null) return { replies: [], ended: "away" };
    this.#gatherings.add(gathering);
    if (!this.#send(subject, text, inbox)) gathering.end("away");
    const gathered = await gathering.done;
    this.#gatherings.delete(gathering);
    return gathered;
  }

  #listen(connection: NatsConnection, subscriber: Subscriber): void {
    const { subject, queue } = subscriber;
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) this.#hear(subscriber, message);
      else this.#options.logger.warn({ subject, why: error.message }, "NATS refused a subscription");
    };
    try {
      subscriber.live = connection.subscribe(subject, { ...(queue === undefined ? {} : { queue }), callback });
    } catch {
      // The connection has just closed; the bus subscribes again on the next one.
      subscriber.live = null;
    }
  }

  /** NATS-7, BUS-6 */
  #hear(subscriber: Subscriber, message: Msg): void {
    const { byteLength } = message.data;
    const accepted = byteLength <= subscriber.mostBytes && this.#heard.push(new Delivery(this, subscriber, message));
    if (!accepted) this.#counts.refused++;
  }

  /** Called by a `Delivery` in its turn. */
  deliver(subscriber: Subscriber, message: BusMessage): void {
    if (this.#subscribers.has(subscriber)) subscriber.listener(message);
  }

  /** Called by a `Delivery`. */
  respond(reply: string, text: string): void {
    this.#send(reply, text, undefined);
  }

  /** NATS-3 */
  #send(subject: string, text: string, reply: string | undefined): boolean {
    if (this.#live?.sender.send(subject, text, reply)) return true;
    this.#counts.dropped++;
    return false;
  }

  #emitStatus(connected: boolean): void {
    for (const listener of this.#statusListeners) this.#guard.wrap("bus status", listener)(connected);
  }
}

/** A message that waits for its turn. */
class Delivery implements Task {
  readonly bytes: number;
  readonly #bus: NatsBus;
  readonly #subscriber: Subscriber;
  readonly #subject: string;
  readonly #data: Buffer;
  readonly #reply: string | undefined;

  constructor(bus: NatsBus, subscriber: Subscriber, message: Msg) {
    this.#bus = bus;
    this.#subscriber = subscriber;
    this.bytes = message.data.byteLength;
    this.#subject = message.subject;
    this.#data = ownBytes(message);
    this.#reply = message.reply;
  }

  run(): void {
    const respond = (text: string): void => {
      if (this.#reply) this.#bus.respond(this.#reply, text);
    };
    const text = this.#data.toString("utf8");
    this.#bus.deliver(this.#subscriber, { subject: this.#subject, text, nonce: null, respond });
  }
}
