/** An inbox with the verbs that the test provides. Any other verb fails the test. */
import type { Inbox } from "@acktor/acker/inbox/inbox";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import type { Receipt } from "@acktor/acker/inbox/receive-messages";
import type { Held } from "@acktor/acker/subscribe/places";
import type { Group } from "@acktor/acker/verify/group";
import type { DbResult } from "@acktor/shared/db/pool";

export function fakeInbox(verbs: Partial<Inbox>): Inbox {
  const known: Partial<Inbox> = { shapes: { of: async () => null, forget: () => undefined }, ...verbs };
  return new Proxy(known, {
    get(target, verb) {
      const value: unknown = Reflect.get(target, verb);
      if (value === undefined) throw new Error(`the test gives no ${String(verb)}`);
      return value;
    },
  }) as Inbox;
}

export function failed(code: string, kind: "unavailable" | "rejected" = "rejected"): DbResult<never> {
  return { ok: false, failure: { kind, code, message: code, maybeCommitted: false, constraint: null } };
}

export const UNAVAILABLE = failed("ECONNREFUSED", "unavailable");

export function messageOf(messageId: string, over: Partial<InboxMessage> = {}): InboxMessage {
  return {
    messageId,
    externalId: null,
    topic: "t",
    content: "x",
    contentEncoding: "utf8",
    contentType: null,
    checksum: "sha256:x",
    attemptToken: "1",
    retryCount: 0,
    expiresAt: null,
    answerTo: { topic: `ack/${messageId}`, id: messageId },
    ...over,
  };
}

export function heldOf(topic = "t"): Held {
  return { topic, payload: new Uint8Array(1), arrivedAt: 0 };
}

export function groupOf(...messages: readonly InboxMessage[]): Group {
  const [message = messageOf("m")] = messages;
  return { message, deliveries: messages.length, all: messages.map((one) => ({ message: one, held: heldOf() })) };
}

export function receiptOf(messageId: string, over: Partial<Receipt> = {}): Receipt {
  const base = { status: "processed", reason: null, checksum: "sha256:x", mine: false, crashes: 0 } as const;
  return { messageId, deliveries: 1, ...base, ...over };
}
