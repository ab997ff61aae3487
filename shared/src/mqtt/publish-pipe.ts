/**
 * The outgoing side of one connection: packet ids, the in-flight window, the bytes, and the one outcome of each publish.
 *
 * Invariants:
 *  PIPE-1. Every accepted publish is settled exactly once: by its answer, its deadline, or the end of the connection.
 *  PIPE-2. At most `min(Receive Maximum, sendQuota)` publishes wait for an answer, and about `HIGH_WATER_BYTES` in the socket.
 *  PIPE-3. The pipe writes nothing larger than the broker's Maximum Packet Size, no QoS and no retain that the broker lacks.
 */

import type { Clock } from "../runtime/clock.ts";
import { sizeOfPublish } from "./encode-publish.ts";
import type { FailureInput } from "./failure-input.ts";
import type { Owed } from "./liveness.ts";
import type { BrokerLimits, OutgoingPublish, PublishOutcome } from "./messages.ts";
import { type OnOutcome, Outstanding, type OutstandingPublish } from "./outstanding.ts";
import { PacketIds } from "./packet-ids.ts";
import { type PacketSink, PacketWriter } from "./packet-writer.ts";
import type { RoundTrip } from "./round-trip.ts";
import type { UnsentReason } from "./transport.ts";

const HIGH_WATER_BYTES = 4 * 1_024 * 1_024;

const ACKED: PublishOutcome = { kind: "acked", reasonCode: 0 };
const NOT_SUBSCRIBED: PublishOutcome = { kind: "acked", reasonCode: 0x10 };
const LOST_DEADLINE: PublishOutcome = { kind: "lost", why: "deadline" };
const OVERTAKEN: PublishOutcome = { kind: "lost", why: "deadline", overtaken: true };

export interface PipeOptions {
  readonly protocolVersion: 4 | 5;
  readonly sendQuota: number;
  readonly deadlines: { readonly publishDeadlineMs: number };
  readonly roundTrip: Pick<RoundTrip, "published">;
  readonly clock: Clock;
}

/** The connection: the pipe's sink and listener. */
export interface PipeOwner extends PacketSink {
  /** Bytes that the socket has not passed on yet. */
  readonly buffered: number;
  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void;
}

export class PublishPipe {
  /** The driver uses them too, so that its SUBSCRIBEs and our PUBLISHes never share an id. */
  readonly ids = new PacketIds();
  readonly #options: PipeOptions;
  readonly #owner: PipeOwner;
  readonly #outstanding = new Outstanding();
  readonly #writer: PacketWriter;
  /** QoS 0, collected and not yet written to the socket. */
  #unwritten: OutstandingPublish[] = [];
  #limits: BrokerLimits | null = null;
  /** When the latest PUBLISH that was answered was sent. */
  #answeredSentAt = Number.NEGATIVE_INFINITY;
  /** When the first PUBLISH of those that no answer has followed was sent; null while answers come. */
  #stalledSince: number | null = null;

  constructor(options: PipeOptions, owner: PipeOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#writer = new PacketWriter(owner);
  }

  /** Publishes that wait for an answer. */
  get inFlight(): number {
    return this.#outstanding.size + this.#unwritten.length;
  }

  /** Answers that the broker owes; times in monotonic milliseconds. */
  owed(): Omit<Owed, "subscribedAt"> {
    const { size, unanswered } = this.#outstanding;
    return {
      answers: size,
      oldestSentAt: this.#outstanding.oldestSentAt(),
      overdueAnswers: unanswered,
      stalledSince: this.#stalledSince,
      quota: this.#quota(),
    };
  }

  /** The connection is ready. */
  open(limits: BrokerLimits): void {
    this.#limits = limits;
  }

  /** How many publishes it accepts now. PIPE-2 */
  capacity(): number {
    if (this.#limits === null || this.#writer.size + this.#owner.buffered >= HIGH_WATER_BYTES) return 0;
    return Math.max(0, this.#quota() - this.#outstanding.size);
  }

  /**
   * Accepts a publish; `settled` reports its outcome later.
   * @param tag returned with the outcome
   * @returns null, or why it was not accepted: then nothing was written and no outcome follows
   */
  publish(message: OutgoingPublish, tag: number, onOutcome: OnOutcome): UnsentReason | null {
    const limits = this.#limits;
    if (limits === null) return "not_connected";
    // PIPE-3
    if (message.qos > limits.maximumQos) return "qos_unsupported";
    if (message.retain && !limits.retainAvailable) return "retain_unsupported";
    const { protocolVersion, clock } = this.#options;
    const size = sizeOfPublish(message, protocolVersion);
    if (size.total > limits.maximumPacketSize) return "too_large";
    if (this.capacity() === 0) return "window_full";
    const packetId = message.qos === 0 ? 0 : this.ids.allocate();
    if (packetId === null) return "window_full";
    this.#writer.publish(message, protocolVersion, packetId, size);
    const entry: OutstandingPublish = { packetId, qos: message.qos, sentAt: clock.now(), tag, onOutcome };
    if (message.qos === 0) this.#unwritten.push(entry);
    else this.#outstanding.add(entry);
    return null;
  }

  /** Answers a message of QoS 1. */
  puback(packetId: number): void {
    this.#writer.puback(packetId);
  }

  /** PUBACK (QoS 1) or PUBCOMP (QoS 2) arrived. The wrong kind of answer settles nothing; the deadline does. */
  answered(packetId: number, qos: 1 | 2, reasonCode: number, said?: string): void {
    const entry = this.#outstanding.get(packetId);
    if (entry !== undefined && entry.qos !== qos) return;
    this.#learn(this.#outstanding.sentAt(packetId));
    if (!this.#outstanding.settle(packetId)) return; // PIPE-1
    this.ids.deallocate(packetId);
    this.#owner.flushThisTurn();
    if (entry !== undefined) this.#owner.settled(entry, outcomeOf(reasonCode, said), this.#options.clock.now());
  }

  /** PUBREC arrived. */
  received(packetId: number, reasonCode: number, said?: string): void {
    if (!this.#outstanding.has(packetId)) return;
    if (reasonCode >= 0x80) this.answered(packetId, 2, reasonCode, said);
    else this.#writer.pubrel(packetId);
  }

  /** Writes the collected packets. @returns whether there were any */
  flush(): boolean {
    const isSomething = this.#writer.size > 0;
    this.#writer.flush();
    if (this.#unwritten.length === 0) return isSomething;
    const at = this.#options.clock.now();
    for (const entry of this.#unwritten.splice(0)) this.#owner.settled(entry, ACKED, at); // PIPE-1
    this.#owner.flushThisTurn();
    return isSomething;
  }

  /** Settles publishes whose deadline has passed. PIPE-1 */
  expire(now: number): void {
    for (const entry of this.#outstanding.expire(now - this.#options.deadlines.publishDeadlineMs)) {
      const isOvertaken = entry.sentAt < this.#answeredSentAt;
      if (!isOvertaken) this.#stalledSince ??= entry.sentAt;
      this.#owner.settled(entry, isOvertaken ? OVERTAKEN : LOST_DEADLINE, now);
    }
  }

  #learn(sentAt: number | undefined): void {
    if (sentAt === undefined) return;
    this.#stalledSince = null;
    this.#answeredSentAt = Math.max(this.#answeredSentAt, sentAt);
    this.#options.roundTrip.published(this.#options.clock.now() - sentAt);
  }

  /**
   * The connection ended: no publish is accepted any more, and waiting ones are lost. PIPE-1
   * @param cause null where we closed it
   */
  close(cause: FailureInput | null): void {
    this.#limits = null;
    const lost: PublishOutcome = { kind: "lost", why: "disconnected", ...(cause === null ? {} : { cause }) };
    const at = this.#options.clock.now();
    const open = [...this.#unwritten.splice(0), ...this.#outstanding.clear()];
    for (const entry of open) this.#owner.settled(entry, lost, at);
  }

  #quota(): number {
    return Math.min(this.#limits?.receiveMaximum ?? 0, this.#options.sendQuota);
  }
}

function outcomeOf(reasonCode: number, said: string | undefined): PublishOutcome {
  if (reasonCode === 0) return ACKED;
  if (reasonCode === 0x10) return NOT_SUBSCRIBED;
  if (reasonCode < 0x80) return { kind: "acked", reasonCode };
  return { kind: "refused", reasonCode, ...(said === undefined ? {} : { said }) };
}
