/** A settler between what a dispatcher has in flight and an outbox that the test answers for. */
import { Destination } from "@acktor/publisher/dispatch/destination";
import type { InFlight } from "@acktor/publisher/dispatch/in-flight";
import type { AckLeftover, AckRecord, LeasedMessage, Rejection, Settled } from "@acktor/publisher/outbox/outbox";
import { OutboxIdentity } from "@acktor/publisher/outbox/outbox-identity";
import { AckAuthenticator } from "@acktor/publisher/settle/authenticate-acks";
import { Settler, type SettlerOptions } from "@acktor/publisher/settle/settler";
import type { DbResult } from "@acktor/shared/db/pool";
import type { AckTrust } from "@acktor/shared/protocol/ack-proof";
import { rows } from "./db-results.ts";
import { type KeptLogger, keptLogger } from "./kept-logger.ts";
import { leased } from "./leased.ts";
import { OUTBOX } from "./proof.ts";

export interface SettlerRig {
  readonly settler: Settler;
  readonly log: KeptLogger;
  /** Batches as they were written. */
  readonly settled: (readonly AckRecord[])[];
  readonly classified: (readonly AckRecord[])[];
  readonly rejected: (readonly Rejection[])[];
  readonly answers: InFlight[];
  readonly told: Settled[];
  lanesFreed: number;
  /** Monotonic milliseconds. */
  now: number;
  /** By default every message of a batch is settled, every rejection counts, and nothing is left over but duplicates. */
  answerAcks: (acks: readonly AckRecord[]) => DbResult<Settled> | Promise<DbResult<Settled>>;
  answerRejections: (rejections: readonly Rejection[]) => readonly { messageId: string }[];
  answerLeftovers: (acks: readonly AckRecord[]) => DbResult<{ messageId: string; leftover: AckLeftover }>;
  /** A message is in flight, with its PUBACK. */
  publish(over?: Partial<LeasedMessage>): { readonly id: string; readonly entry: InFlight };
  forget(id: string): void;
  /** An ack arrives. */
  receive(id: string, payload: string): void;
}

export type SettlerRigOptions = Partial<
  Pick<SettlerOptions, "onWorking" | "onPause" | "policy" | "wallClock"> & {
    readonly trust: AckTrust | null;
  }
>;

export function settlerRig({ trust = null, ...over }: SettlerRigOptions = {}): SettlerRig {
  const inFlight = new Map<string, InFlight>();
  const outbox = new OutboxIdentity();
  outbox.learn(OUTBOX);
  const log = keptLogger();
  const rig: Omit<SettlerRig, "settler" | "receive"> = {
    log,
    settled: [],
    classified: [],
    rejected: [],
    answers: [],
    told: [],
    lanesFreed: 0,
    now: 5_000,
    answerAcks: (acks) => rows(...[...new Set(acks.map((a) => a.messageId))].map(settledRow)),
    answerRejections: (rejections) => rejections.map(({ messageId }) => ({ messageId })),
    answerLeftovers: (acks) => rows(...acks.map(({ messageId }) => ({ messageId, leftover: "duplicate" as const }))),
    publish(over = {}) {
      const message = leased(over);
      const entry = entryOf(message, rig.now);
      inFlight.set(message.messageId, entry);
      return { id: message.messageId, entry };
    },
    forget: (id) => void inFlight.delete(id),
  };
  const settler = new Settler({
    verbs: {
      settleAcks: async (acks) => {
        rig.settled.push(acks);
        return rig.answerAcks(acks);
      },
      classifyAcks: async (acks) => {
        rig.classified.push(acks);
        return rig.answerLeftovers(acks);
      },
      rejectMessages: async (rejections) => {
        rig.rejected.push(rejections);
        return rows(...rig.answerRejections(rejections));
      },
    },
    logger: log.logger,
    ackPrefix: "delivery/ack",
    authenticator: new AckAuthenticator(trust, outbox, () => rig.now),
    now: () => rig.now,
    inFlight: (id) => inFlight.get(id) ?? null,
    onAnswer: (entry) => void rig.answers.push(entry),
    ...over,
    retryInMs: (retries) => 1_000 * retries,
    onSettled: (settled) => void rig.told.push(...settled),
    onLaneFreed: () => {
      rig.lanesFreed++;
    },
  });
  return Object.assign(rig, {
    settler,
    receive(id: string, payload: string) {
      const message = { payload: Buffer.from(payload), qos: 1, retain: false, userProperties: undefined } as const;
      settler.receive({ ...message, topic: `delivery/ack/${id}` });
    },
  });
}

export function settledRow(messageId: string): Settled {
  return { messageId, late: false, ageMs: 10 };
}

function entryOf(message: LeasedMessage, sentAt: number): InFlight {
  return {
    message,
    destination: new Destination(message.topic),
    attempt: message.attempts + 1,
    sentAt,
    timesOutAt: sentAt + 2_000,
    retryAt: sentAt + 3_000,
    probe: false,
    puback: 0,
    pubackAt: sentAt,
    record: "none",
    hurried: false,
    givenUp: null,
    done: false,
  };
}
