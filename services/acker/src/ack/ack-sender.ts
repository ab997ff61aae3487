/**
 * Publishes acks after the commit that they report: one at a time at QoS 1, those under way with it at QoS 0
 * (docs/adr/0006).
 *
 * While acks flow one of them waits for its PUBACK: it detects a dead connection and a refused topic. The others need
 * none: the outbox asks again for an ack that is lost, at either QoS, because both ends have clean sessions.
 *
 * Invariants:
 *  SEND-1. An ack is not stored: without a connection, or with a full queue, it is dropped and counted. The outbox sends
 *          the message again, and the duplicate is answered from the inbox.
 *  SEND-2. At most `limit` acks wait for the link, and the link receives no more than it has room for.
 *  SEND-3. `drain` resolves when no ack waits or is under way, or when its time is over.
 *  SEND-5. An envelope without an attempt token is answered `processed` or not at all: its sender may take any message on
 *          its ack topic for success (the tutorial's does), and would lose what was rejected.
 */
import type { Link, PublishOutcome } from "@acktor/shared/link/link";
import { type Ack, encodeAck, MAX_PATIENCE_SECONDS, topicInAck } from "@acktor/shared/protocol/ack";
import type { AckSigner } from "@acktor/shared/protocol/ack-proof";
import type { EnvelopeProof } from "@acktor/shared/protocol/envelope-proof";
import type { Counts } from "../control/counts.ts";
import type { Answer, AnswerTo, InboxMessage } from "../inbox/message.ts";

export interface Reply {
  readonly answerTo: AnswerTo;
  readonly answer: Answer;
  readonly attemptToken: string | null;
  /** Of the content that arrived; null where the answer vouches for no content. */
  readonly checksum: string | null;
  /** What the envelope's signature proved; null where the acker requires none. */
  readonly proof?: EnvelopeProof | null | undefined;
}

/** How the steps answer. */
export interface Acks {
  send(reply: Reply): void;
  /** Answers a message whose sender wants an ack. */
  answer(message: InboxMessage, answer: Answer): void;
}

export interface AckSenderParts {
  readonly link: Link;
  /** The MQTT client id, which the ack names. */
  readonly clientId: string;
  /** Null: acks are not signed. */
  readonly signer: AckSigner | null;
  readonly limit: number;
  readonly counts: Counts;
}

/** A later answer has no effect: the outbox has sent the message again. */
const EXPIRY_SECONDS = 60;
const MAX_REASON = 500;
/** The queue is cut now and then; shifting it for each ack would cost the queue's length each time. */
const CUT_AFTER = 1_024;

export class AckSender implements Acks {
  readonly #parts: AckSenderParts;
  readonly #subscriptions: (() => void)[];
  /** From `#head` on: acks that wait. Written by `send`, `#pump` and `#forget`, as `#head` is. */
  readonly #queue: Reply[] = [];
  #head = 0;
  #underWay = 0;
  /** An ack of QoS 1 is under way. Written by `#publish` and `#ended`. */
  #isConfirming = false;
  /** Ends the drain. Written by `drain`. */
  #onIdle: (() => void) | null = null;
  /** Kept from the link's events: `info()` builds a large value, too large for each ack. */
  #isConnected: boolean;
  /** False where the broker's Maximum QoS is 0. */
  #hasQos1: boolean;

  constructor(parts: AckSenderParts) {
    const { link } = parts;
    this.#parts = parts;
    this.#isConnected = link.info().state === "CONNECTED";
    this.#hasQos1 = link.info().limits?.maximumQos !== 0;
    this.#subscriptions = [
      link.on("link.connected", () => {
        this.#isConnected = true;
        this.#hasQos1 = link.info().limits?.maximumQos !== 0;
      }),
      link.on("link.disconnected", () => {
        this.#isConnected = false;
        this.#forget();
      }),
      link.on("link.writable", () => this.#pump()),
    ];
  }

  send(reply: Reply): void {
    const { counts, limit } = this.#parts;
    // SEND-5
    if (reply.attemptToken === null && reply.answer.status !== "processed") {
      counts.acks.withheld++;
      return;
    }
    // SEND-1
    if (!this.#isConnected || this.waiting() >= limit) {
      counts.acks.dropped++;
      return;
    }
    this.#queue.push(reply);
    this.#pump();
  }

  answer({ answerTo, attemptToken, checksum, proof }: InboxMessage, answer: Answer): void {
    if (answerTo !== null) this.send({ answerTo, answer, attemptToken, checksum, proof });
  }

  /** Acks that wait for the link. */
  waiting(): number {
    return this.#queue.length - this.#head;
  }

  /** Resolves when all is sent, or after `timeoutMs`, or when the connection is gone. SEND-3 */
  drain(timeoutMs: number): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#onIdle = null;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#onIdle = done;
    });
  }

  /** Drops what waits. A second call has no effect. */
  stop(): void {
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    this.#forget();
  }

  #forget(): void {
    this.#parts.counts.acks.dropped += this.waiting();
    this.#queue.length = 0;
    this.#head = 0;
    this.#checkIdle();
  }

  /** SEND-2 */
  #pump(): void {
    // Asked again after each round: the link tells only a caller that saw no room when there is some again.
    for (let room = this.#room(); room > 0; room = this.#room()) {
      for (; room > 0; room--) {
        const reply = this.#queue[this.#head++];
        if (reply !== undefined) this.#publish(reply);
      }
    }
    if (this.#head === this.#queue.length || this.#head > CUT_AFTER) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** How many acks can go now. */
  #room(): number {
    const waiting = this.waiting();
    return waiting === 0 ? 0 : Math.min(waiting, this.#parts.link.capacity());
  }

  #publish(reply: Reply): void {
    this.#underWay++;
    const qos = this.#isConfirming || !this.#hasQos1 ? 0 : 1;
    if (qos === 1) this.#isConfirming = true;
    this.#parts.link.publish(
      {
        topic: reply.answerTo.topic,
        payload: encodeReply(reply, this.#parts),
        qos,
        retain: false,
        expirySeconds: EXPIRY_SECONDS,
        correlationData: Buffer.from(reply.answerTo.id),
        contentType: "application/json",
      },
      (outcome) => this.#ended(outcome, qos),
    );
  }

  #ended(outcome: PublishOutcome, qos: 0 | 1): void {
    const { acks } = this.#parts.counts;
    this.#underWay--;
    if (qos === 1) this.#isConfirming = false;
    if (outcome.kind === "acked") acks.sent++;
    else if (outcome.kind === "unsent") acks.dropped++;
    else acks[outcome.kind]++;
    this.#checkIdle();
  }

  #isIdle(): boolean {
    return this.#underWay === 0 && this.waiting() === 0;
  }

  #checkIdle(): void {
    if (this.#isIdle()) this.#onIdle?.();
  }
}

function encodeReply(reply: Reply, { clientId, signer }: AckSenderParts): string {
  const { answer, proof = null } = reply;
  const rejected = answer.status === "rejected";
  const ack: Ack = {
    message_id: reply.answerTo.id,
    client_id: clientId,
    status: answer.status,
    reason: rejected ? answer.reason.slice(0, MAX_REASON).toWellFormed() : null,
    retryable: rejected && answer.retryable,
    ...(rejected && answer.retryAfterMs !== undefined ? { retry_after: seconds(answer.retryAfterMs) } : {}),
    ...(answer.status === "working"
      ? { working_for: seconds(answer.forMs), elapsed: Math.max(0, Math.round(answer.elapsedMs) / 1_000) }
      : {}),
    attempt_token: reply.attemptToken,
    topic: proof === null ? null : topicInAck(proof.topic),
    checksum: reply.checksum,
    signature: null,
  };
  return encodeAck(signer === null ? ack : { ...ack, signature: signer.sign(ack, proof?.outbox ?? null) });
}

function seconds(ms: number): number {
  return Math.min(MAX_PATIENCE_SECONDS, Math.max(0, ms / 1_000));
}
