/** A settler between a dispatcher's messages in flight and an outbox whose answers the test gives. */
import { DeliveryPolicy } from "@acktor/publisher/dispatch/delivery-policy";
import { Destinations } from "@acktor/publisher/dispatch/destinations";
import { type InFlight, InFlightBook } from "@acktor/publisher/dispatch/in-flight-book";
import type { RetryDelay } from "@acktor/publisher/dispatch/retry-delay";
import type { AckLeftover, AckRecord, LeasedMessage, Rejection, Settled } from "@acktor/publisher/outbox/outbox";
import { OutboxIdentity } from "@acktor/publisher/outbox/outbox-identity";
import { AckWriter, type AckWriterParts } from "@acktor/publisher/settle/ack-writer";
import { AckAuthenticator } from "@acktor/publisher/settle/authenticate-acks";
import { Settler } from "@acktor/publisher/settle/settler";
import type { DbResult } from "@acktor/shared/db/pool";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { AckTrust } from "@acktor/shared/protocol/ack-proof";
import type { ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { rows } from "./db-results.ts";
import { type KeptLogger, keptLogger } from "./kept-logger.ts";
import { leased } from "./leased.ts";
import { OUTBOX } from "./proof.ts";
import { type TestClock, testClock } from "./test-clock.ts";

export interface SettlerRig {
  readonly settler: Settler;
  readonly writer: AckWriter;
  readonly log: KeptLogger;
  /** Batches as they were written. */
  readonly settled: (readonly AckRecord[])[];
  readonly classified: (readonly AckRecord[])[];
  readonly rejected: (readonly Rejection[])[];
  readonly answers: InFlight[];
  readonly told: Settled[];
  lanesFreed: number;
  /** `at`: monotonic milliseconds. */
  readonly clock: TestClock;
  /** By default every message of a batch is settled, every rejection counts, and only duplicates remain. */
  answerAcks: (acks: readonly AckRecord[]) => DbResult<Settled> | Promise<DbResult<Settled>>;
  answerRejections: (rejections: readonly Rejection[]) => readonly { messageId: string }[];
  answerLeftovers: (acks: readonly AckRecord[]) => DbResult<{ messageId: string; leftover: AckLeftover }>;
  /** Puts a message in flight, with its PUBACK. */
  publish(over?: Partial<LeasedMessage>): { readonly id: string; readonly entry: InFlight };
  forget(id: string): void;
  /** Delivers an ack. */
  receive(id: string, payload: string): void;
}

export interface SettlerRigOptions extends Partial<Pick<AckWriterParts, "deliveries" | "tracing" | "guard">> {
  readonly trust?: AckTrust | null;
  readonly policy?: ErrorPolicy;
  /** Milliseconds since 1970. */
  readonly wallAt?: number;
  readonly onWorking?: (attempt: InFlight, forMs: number) => void;
  readonly onRest?: (attempt: InFlight) => void;
}

export function settlerRig(options: SettlerRigOptions = {}): SettlerRig {
  const { trust = null, policy = null, onWorking, onRest, wallAt, ...over } = options;
  const book = new InFlightBook(new Destinations(0));
  const identity = new OutboxIdentity();
  identity.learn(OUTBOX);
  const log = keptLogger();
  const clock = testClock(5_000, wallAt);
  const rig: Omit<SettlerRig, "settler" | "writer" | "receive"> = {
    log,
    settled: [],
    classified: [],
    rejected: [],
    answers: [],
    told: [],
    lanesFreed: 0,
    clock,
    answerAcks: (acks) => rows(...[...new Set(acks.map((a) => a.messageId))].map(settledRow)),
    answerRejections: (rejections) => rejections.map(({ messageId }) => ({ messageId })),
    answerLeftovers: (acks) => rows(...acks.map(({ messageId }) => ({ messageId, leftover: "duplicate" as const }))),
    publish(over = {}) {
      const message = leased(over);
      return { id: message.messageId, entry: published(book, message, clock.at) };
    },
    forget(id) {
      const attempt = book.find(id);
      if (attempt !== null) book.close(attempt);
    },
  };
  const writer = new AckWriter({
    outbox: {
      settle: async (acks) => {
        rig.settled.push(acks);
        return rig.answerAcks(acks);
      },
      classify: async (acks) => {
        rig.classified.push(acks);
        return rig.answerLeftovers(acks);
      },
      reject: async (rejections) => {
        rig.rejected.push(rejections);
        return rows(...rig.answerRejections(rejections));
      },
    },
    clock,
    troubles: new Troubles({ clock, logger: log.logger }),
    guard: new ListenerGuard({ logger: log.logger, clock }),
    settlements: { settled: (settled) => void rig.told.push(...settled) },
    doorbell: {
      ringForKnownRows() {
        rig.lanesFreed++;
      },
    },
    deliveries: UNWATCHED,
    tracing: NO_TRACING,
    ...over,
  });
  const settler = new Settler({
    ...{ writer, book, clock, logger: log.logger, ackPrefix: "delivery/ack" },
    answers: {
      answered: (attempt) => void rig.answers.push(attempt),
      postpone: (attempt, forMs) => onWorking?.(attempt, forMs),
      rest: (attempt) => onRest?.(attempt),
    },
    authenticator: new AckAuthenticator(trust, identity, clock),
    policy: new DeliveryPolicy(policy, clock),
    // One second for each retry, without jitter.
    retryDelay: { after: (_, retries) => 1_000 * retries } as RetryDelay,
  });
  return Object.assign(rig, {
    settler,
    writer,
    receive(id: string, payload: string) {
      const message = { payload: Buffer.from(payload), qos: 1, retain: false, userProperties: undefined } as const;
      settler.receive({ ...message, topic: `delivery/ack/${id}` });
    },
  });
}

export function settledRow(messageId: string): Settled {
  return { messageId, late: false, ageMs: 10, topic: null };
}

function published(book: InFlightBook, message: LeasedMessage, sentAt: number): InFlight {
  const queued = { message, leaseEndsAt: sentAt + 15_000, expiresAt: null, probe: false };
  const sent = book.open(queued, new Destinations(0).ofTopic(message.topic), sentAt, sentAt + 2_000, sentAt + 3_000);
  return book.pubacked(sent, 0, sentAt);
}
