/**
 * The way out of one connection: packet ids, the send window, the bytes, and the one outcome of each publish. It knows
 * the socket by two functions, and no driver.
 *
 * Invariants:
 *  1. Every publish that was taken is settled exactly once: by its answer, its deadline, or the end of the connection.
 *  2. At most `min(Receive Maximum, sendQuota)` publishes wait for an answer, and about `HIGH_WATER_BYTES` in the socket.
 *  3. Nothing larger than the broker's Maximum Packet Size is written, no QoS that it has not, no retain where it has none.
 *  4. The packets of one event-loop turn leave as one piece, at its end; PUBACKs wait a little for company.
 */
import { sizeOfPublish } from "./encode-publish.ts";
import type { BrokerLimits, OutgoingPublish, PublishOutcome } from "./messages.ts";
import { Outstanding, type OutstandingPublish } from "./outstanding.ts";
import { PacketIds } from "./packet-ids.ts";
import { PacketWriter } from "./packet-writer.ts";
import type { UnsentReason } from "./transport-options.ts";

const HIGH_WATER_BYTES = 4 * 1_024 * 1_024;

const ACKED: PublishOutcome = { kind: "acked", reasonCode: 0 };
const NOBODY_SUBSCRIBED: PublishOutcome = { kind: "acked", reasonCode: 0x10 };
const LOST_CONNECTION: PublishOutcome = { kind: "lost", why: "disconnected" };
const LOST_DEADLINE: PublishOutcome = { kind: "lost", why: "deadline" };

export interface PipeOptions {
  readonly protocolVersion: 4 | 5;
  readonly sendQuota: number;
  readonly publishDeadlineMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly write: (bytes: Buffer) => void;
  /** Bytes that the socket has not passed on yet. */
  readonly buffered: () => number;
  /** Something was gathered or settled: `flush` is owed before the event-loop turn ends. */
  readonly wake: () => void;
  /** PUBACKs were gathered: `flush` is owed soon. */
  readonly linger: () => void;
  readonly settled: (entry: OutstandingPublish, outcome: PublishOutcome, at: number) => void;
}

export class PublishPipe {
  /** For the driver too, so that its SUBSCRIBEs and our PUBLISHes never share an id. */
  readonly ids = new PacketIds();
  readonly #options: PipeOptions;
  readonly #outstanding = new Outstanding();
  readonly #writer: PacketWriter;
  /** QoS 0, gathered and not yet handed to the socket. */
  #unwritten: OutstandingPublish[] = [];
  #limits: BrokerLimits | null = null;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#writer = new PacketWriter(options.write, options.wake, options.linger);
  }

  /** Publishes that wait for an answer. */
  get inFlight(): number {
    return this.#outstanding.size + this.#unwritten.length;
  }

  /** What the broker owes in answers; times in monotonic milliseconds. */
  owed(): { answers: number; oldestSentAt: number | null; overdueAnswers: number; quota: number } {
    const { size, unanswered } = this.#outstanding;
    return {
      answers: size,
      oldestSentAt: this.#outstanding.oldestSentAt(),
      overdueAnswers: unanswered,
      quota: this.#quota(),
    };
  }

  /** The connection stands. */
  open(limits: BrokerLimits): void {
    this.#limits = limits;
  }

  /** How many publishes it takes now. */
  capacity(): number {
    if (this.#limits === null || this.#writer.size + this.#options.buffered() >= HIGH_WATER_BYTES) return 0;
    return Math.max(0, this.#quota() - this.#outstanding.size);
  }

  /**
   * Takes a publish; its outcome comes later, by `settled`.
   * @param tag given back with the outcome
   * @returns null, or why it was not taken: then nothing was written and no outcome will come
   */
  publish(message: OutgoingPublish, tag: number, onOutcome: OutstandingPublish["onOutcome"]): UnsentReason | null {
    const limits = this.#limits;
    if (limits === null) return "not_connected";
    if (message.qos > limits.maximumQos) return "qos_unsupported";
    if (message.retain && !limits.retainAvailable) return "retain_unsupported";
    const { protocolVersion, now } = this.#options;
    const size = sizeOfPublish(message, protocolVersion);
    if (size.total > limits.maximumPacketSize) return "too_large";
    if (this.capacity() === 0) return "window_full";
    const packetId = message.qos === 0 ? 0 : this.ids.allocate();
    if (packetId === null) return "window_full";
    this.#writer.publish(message, protocolVersion, packetId, size);
    const entry: OutstandingPublish = { packetId, qos: message.qos, sentAt: now(), tag, onOutcome };
    if (message.qos === 0) this.#unwritten.push(entry);
    else this.#outstanding.add(entry);
    return null;
  }

  /** Answers a message of QoS 1. */
  puback(packetId: number): void {
    this.#writer.puback(packetId);
  }

  /** PUBACK (QoS 1) or PUBCOMP (QoS 2) came. The wrong kind of answer answers nothing; the deadline will tell. */
  answered(packetId: number, qos: 1 | 2, reasonCode: number): void {
    const entry = this.#outstanding.get(packetId);
    if (entry !== undefined && entry.qos !== qos) return;
    if (!this.#outstanding.settle(packetId)) return;
    this.ids.deallocate(packetId);
    this.#options.wake();
    if (entry !== undefined) this.#options.settled(entry, outcomeOf(reasonCode), this.#options.now());
  }

  /** PUBREC came. */
  received(packetId: number, reasonCode: number): void {
    if (!this.#outstanding.has(packetId)) return;
    if (reasonCode >= 0x80) this.answered(packetId, 2, reasonCode);
    else this.#writer.pubrel(packetId);
  }

  /** Hands over what was gathered. @returns whether there was anything */
  flush(): boolean {
    const isSomething = this.#writer.size > 0;
    this.#writer.flush();
    if (this.#unwritten.length === 0) return isSomething;
    const at = this.#options.now();
    for (const entry of this.#unwritten.splice(0)) this.#options.settled(entry, ACKED, at);
    this.#options.wake();
    return isSomething;
  }

  /** Settles what waits for longer than the deadline. */
  expire(now: number): void {
    for (const entry of this.#outstanding.expire(now - this.#options.publishDeadlineMs)) {
      this.#options.settled(entry, LOST_DEADLINE, now);
    }
  }

  /** The connection ended: nothing is taken any more, and what waits is lost. */
  close(): void {
    this.#limits = null;
    const at = this.#options.now();
    const open = [...this.#unwritten.splice(0), ...this.#outstanding.clear()];
    for (const entry of open) this.#options.settled(entry, LOST_CONNECTION, at);
  }

  #quota(): number {
    return Math.min(this.#limits?.receiveMaximum ?? 0, this.#options.sendQuota);
  }
}

function outcomeOf(reasonCode: number): PublishOutcome {
  if (reasonCode === 0) return ACKED;
  if (reasonCode === 0x10) return NOBODY_SUBSCRIBED;
  return { kind: reasonCode < 0x80 ? "acked" : "refused", reasonCode };
}
