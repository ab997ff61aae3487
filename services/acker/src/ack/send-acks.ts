/**
 * Publishes acks after the commit that they report: one at a time at QoS 1, those beside it at QoS 0 (ADR 6).
 *
 * Invariants:
 *  1. An ack is an answer, not a store: while there is no connection, or the queue is full, it is dropped and counted.
 *     The outbox sends the message again, and the duplicate is answered from the inbox.
 *  2. At most `limit` acks wait for the link's window; nothing is published that the link has no room for.
 *  3. After `drain` nothing waits and nothing is under way, or its time was over.
 *  4. While acks flow one of them waits for its PUBACK: it tells a dead connection and a refused topic. The others need
 *     none: an ack that is lost is asked for again, at either QoS, because both ends have clean sessions.
 *  SEND-5. An envelope without an attempt token is answered `processed` or not at all: its sender may take any message on
 *     its ack topic for success (the tutorial's does), and would lose what was rejected.
 */
import type { Link, PublishOutcome } from "@acktor/shared/link/link";
import { type Ack, encodeAck, MAX_PATIENCE_SECONDS, topicInAck } from "@acktor/shared/protocol/ack";
import type { AckSigner } from "@acktor/shared/protocol/ack-proof";
import type { EnvelopeProof } from "@acktor/shared/protocol/envelope-proof";
import type { Counts } from "../control/counts.ts";
import type { Answer, AnswerTo } from "../inbox/message.ts";

export interface Reply {
  readonly answerTo: AnswerTo;
  readonly answer: Answer;
  readonly attemptToken: string | null;
  /** Of the content that arrived; null where the answer vouches for none. */
  readonly checksum: string | null;
  /** What the envelope's signature proved; null where none was asked for. */
  readonly proof?: EnvelopeProof | null | undefined;
}

export interface AckSender {
  send(reply: Reply): void;
  /** Acks that wait for the link. */
  waiting(): number;
  /** Resolves when all is sent, or after `timeoutMs`, or when the connection is gone. */
  drain(timeoutMs: number): Promise<void>;
  /** Forgets what waits. Twice is fine. */
  stop(): void;
}

export interface AckSenderOptions {
  readonly link: Link;
  /** The MQTT client id, which stands in the ack. */
  readonly clientId: string;
  /** Null: acks are not signed. */
  readonly signer: AckSigner | null;
  readonly limit: number;
  readonly counts: Counts;
}

/** An answer that is later than this helps nobody: the outbox has sent the message again. */
const EXPIRY_SECONDS = 60;
const MAX_REASON = 500;

export function createAckSender(options: AckSenderOptions): AckSender {
  const { link, counts, limit } = options;
  const queue: Reply[] = [];
  let head = 0;
  let underWay = 0;
  /** An ack of QoS 1 is not answered yet. */
  let confirming = false;
  let onIdle: (() => void) | null = null;
  // Followed by its facts: `info()` builds a large value, and is asked for each ack otherwise.
  let connected = link.info().state === "CONNECTED";
  const subscriptions = [
    link.on("link.connected", () => {
      connected = true;
    }),
    link.on("link.disconnected", () => {
      connected = false;
      forget();
    }),
    link.on("link.writable", pump),
  ];

  const waiting = (): number => queue.length - head;

  function forget(): void {
    counts.acks.dropped += waiting();
    queue.length = 0;
    head = 0;
    checkIdle();
  }

  function pump(): void {
    for (let room = link.capacity(); room > 0 && waiting() > 0; room--) {
      const reply = queue[head++];
      if (reply !== undefined) publish(reply);
    }
    // The array is cut now and then, not shifted at each ack, which would cost the queue's length each time.
    if (head === queue.length || head > 1_024) {
      queue.splice(0, head);
      head = 0;
    }
  }

  function publish(reply: Reply): void {
    underWay++;
    const qos = confirming ? 0 : 1;
    if (qos === 1) confirming = true;
    link.publish(
      {
        topic: reply.answerTo.topic,
        payload: encodeReply(reply, options),
        qos,
        retain: false,
        expirySeconds: EXPIRY_SECONDS,
        correlationData: Buffer.from(reply.answerTo.id),
        contentType: "application/json",
      },
      (outcome) => {
        underWay--;
        if (qos === 1) confirming = false;
        count(outcome);
        checkIdle();
      },
    );
  }

  function count(outcome: PublishOutcome): void {
    if (outcome.kind === "acked") counts.acks.sent++;
    else if (outcome.kind === "unsent") counts.acks.dropped++;
    else counts.acks[outcome.kind]++;
  }

  function checkIdle(): void {
    if (underWay === 0 && waiting() === 0) onIdle?.();
  }

  return {
    send(reply) {
      if (reply.attemptToken === null && reply.answer.status !== "processed") {
        counts.acks.withheld++;
        return;
      }
      if (!connected || waiting() >= limit) {
        counts.acks.dropped++;
        return;
      }
      queue.push(reply);
      pump();
    },
    waiting,
    drain(timeoutMs) {
      if (underWay === 0 && waiting() === 0) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(done, timeoutMs);
        function done(): void {
          clearTimeout(timer);
          onIdle = null;
          resolve();
        }
        onIdle = done;
      });
    },
    stop() {
      for (const unsubscribe of subscriptions.splice(0)) unsubscribe();
      forget();
    },
  };
}

function encodeReply(reply: Reply, options: AckSenderOptions): string {
  const { answer, proof = null } = reply;
  const rejected = answer.status === "rejected";
  const ack: Ack = {
    message_id: reply.answerTo.id,
    client_id: options.clientId,
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
  const { signer } = options;
  return encodeAck(signer === null ? ack : { ...ack, signature: signer.sign(ack, proof?.outbox ?? null) });
}

function seconds(ms: number): number {
  return Math.min(MAX_PATIENCE_SECONDS, Math.max(0, ms / 1_000));
}
