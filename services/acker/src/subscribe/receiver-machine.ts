/**
 * When an acker takes messages. Pure: `receiver.ts` provides the actions.
 *
 *   LISTENING  subscribed and announced; again on every connection, because a broker may have lost its session
 *   PAUSED     unsubscribed, presence withdrawn: others of the group get the messages, the outbox keeps the rest
 *   DRAINING   unsubscribed; what was taken is finished
 *   STOPPED    no message is held
 */
import { setup } from "xstate";

export type ReceiverEvent =
  | { readonly type: "link.opened" }
  | { readonly type: "database.returned" }
  | { readonly type: "receiver.pause" }
  | { readonly type: "receiver.resume" }
  | { readonly type: "receiver.drain" }
  | { readonly type: "receiver.drained" };

const byProvide = (): void => undefined;

export const receiverMachine = setup({
  types: { events: {} as ReceiverEvent },
  actions: {
    openIntake: byProvide,
    closeIntake: byProvide,
    subscribe: byProvide,
    unsubscribe: byProvide,
    announce: byProvide,
    withdraw: byProvide,
  },
}).createMachine({
  id: "receiver",
  initial: "LISTENING",
  states: {
    LISTENING: {
      entry: ["openIntake", "subscribe", "announce"],
      exit: ["unsubscribe", "closeIntake"],
      on: {
        "link.opened": { actions: ["subscribe", "announce"] },
        // The outbox sends immediately when an acker announces itself: what was refused meanwhile need not wait for its retry.
        "database.returned": { actions: "announce" },
        "receiver.pause": "PAUSED",
        "receiver.drain": "DRAINING",
      },
    },
    PAUSED: {
      entry: "withdraw",
      on: {
        // The broker published the will when the connection broke; no outbox should wait for this acker.
        "link.opened": { actions: "withdraw" },
        "receiver.resume": "LISTENING",
        "receiver.drain": "DRAINING",
      },
    },
    DRAINING: { on: { "receiver.drained": "STOPPED" } },
    STOPPED: { type: "final" },
  },
});
