/** An intake with an outbox whose answers the test gives. */
import { Intake, type IntakeParts } from "@acktor/publisher/intake/intake";
import type { AcceptedMessage } from "@acktor/publisher/intake/validate-message";
import { WaitingLevel } from "@acktor/publisher/janitor/waiting-level";
import type { InsertResult, LeasedMessage, NewMessage } from "@acktor/publisher/outbox/outbox";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import { HEALTHY } from "@acktor/shared/runtime/database-health";
import { keptLogger } from "./kept-logger.ts";

export interface InsertCall {
  readonly messages: readonly NewMessage[];
  readonly deadlineMs: number;
}

export interface IntakeRig {
  readonly intake: Intake;
  readonly inserts: InsertCall[];
  readonly offered: { readonly messages: readonly LeasedMessage[]; readonly leaseEndsAt: number }[];
  /** Reservations that were not returned. */
  reserved: number;
  wakes: number;
  now: number;
  room: number;
  ready: boolean;
  /** The failures that the intake reported when it gave up. */
  readonly faults: string[];
  full: (adding: number) => boolean;
  answer: (call: InsertCall) => InsertResult | Promise<InsertResult>;
}

export function intakeRig(over: Partial<IntakeParts> = {}): IntakeRig {
  const rig: Omit<IntakeRig, "intake"> = {
    inserts: [],
    offered: [],
    reserved: 0,
    wakes: 0,
    now: 10_000,
    room: 1_000_000,
    ready: true,
    faults: [],
    full: () => false,
    answer: ({ messages }) => ({ ok: true, inserted: messages.map(insertedRow) }),
  };
  const level = new WaitingLevel(1_000_000);
  level.isFull = (adding) => rig.full(adding);
  const intake = new Intake({
    outbox: {
      async insert(messages, deadlineMs) {
        const call = { messages, deadlineMs };
        rig.inserts.push(call);
        return rig.answer(call);
      },
    },
    clock: { now: () => rig.now },
    leaseMs: 15_000,
    places: {
      reserve() {
        if (rig.reserved >= rig.room) return false;
        rig.reserved++;
        return true;
      },
      unreserve(count) {
        rig.reserved -= count;
      },
      offer: (messages, leaseEndsAt) => void rig.offered.push({ messages, leaseEndsAt }),
    },
    doorbell: { ring: () => void rig.wakes++ },
    schema: {
      get isReady() {
        return rig.ready;
      },
    },
    level,
    database: HEALTHY,
    troubles: { gaveUp: (_area, failure) => void rig.faults.push(failure.message) },
    logger: keptLogger().logger,
    ...over,
  });
  return Object.assign(rig, { intake });
}

export function insertedRow({ messageId }: NewMessage) {
  return { kind: "inserted", messageId, createdAt: 1_700_000_000.5, state: "pending" } as const;
}

const HELLO = checksumOf("hello", "utf8");

/** A validated message. Tests identify it by its payload. */
export function acceptedMessage(over: Partial<AcceptedMessage> = {}): AcceptedMessage {
  const payload = over.payload ?? "hello";
  return {
    topic: "plant/1",
    payload,
    contentEncoding: "utf8",
    contentType: null,
    qos: 1,
    retain: false,
    requiresAck: true,
    checksum: payload === "hello" ? HELLO : checksumOf(payload, "utf8"),
    orderingKey: null,
    maxRetries: null,
    ttlMs: null,
    holdMs: null,
    deliverAt: null,
    idempotency: null,
    ...over,
  };
}
