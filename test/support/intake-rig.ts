/** An intake before an outbox that the test answers for. */
import { type InsertResult, Intake, type IntakeOptions } from "@acktor/publisher/intake/intake";
import type { AcceptedMessage } from "@acktor/publisher/intake/validate-message";
import type { LeasedMessage, NewMessage } from "@acktor/publisher/outbox/outbox";
import { checksumOf } from "@acktor/shared/protocol/envelope";

export interface InsertCall {
  readonly messages: readonly NewMessage[];
  readonly deadlineMs: number;
}

export interface IntakeRig {
  readonly intake: Intake;
  readonly inserts: InsertCall[];
  readonly offered: { readonly messages: readonly LeasedMessage[]; readonly leaseEndsAt: number }[];
  /** Reservations that were not given back. */
  reserved: number;
  wakes: number;
  now: number;
  room: number;
  ready: boolean;
  full: (adding: number) => boolean;
  answer: (call: InsertCall) => InsertResult | Promise<InsertResult>;
}

export function intakeRig(over: Partial<IntakeOptions> = {}): IntakeRig {
  const rig: Omit<IntakeRig, "intake"> = {
    inserts: [],
    offered: [],
    reserved: 0,
    wakes: 0,
    now: 10_000,
    room: 1_000_000,
    ready: true,
    full: () => false,
    answer: ({ messages }) => ({ ok: true, inserted: messages.map(insertedRow) }),
  };
  const intake = new Intake({
    insert: async (messages, deadlineMs) => {
      const call = { messages, deadlineMs };
      rig.inserts.push(call);
      return rig.answer(call);
    },
    now: () => rig.now,
    leaseMs: 15_000,
    reserve: () => {
      if (rig.reserved >= rig.room) return false;
      rig.reserved++;
      return true;
    },
    unreserve: (count) => {
      rig.reserved -= count;
    },
    offer: (messages, leaseEndsAt) => void rig.offered.push({ messages, leaseEndsAt }),
    wake: () => {
      rig.wakes++;
    },
    ready: () => rig.ready,
    full: (adding) => rig.full(adding),
    ...over,
  });
  return Object.assign(rig, { intake });
}

export function insertedRow({ messageId }: NewMessage) {
  return { kind: "inserted", messageId, createdAt: 1_700_000_000.5, state: "pending" } as const;
}

const HELLO = checksumOf("hello", "utf8");

/** A validated message; its payload is what tests tell it by. */
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
    deliverAt: null,
    idempotency: null,
    ...over,
  };
}
