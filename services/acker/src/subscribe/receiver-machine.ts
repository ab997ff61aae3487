/**
 * When an acker takes messages. Pure: what the actions do comes in by `provide` (see start-receiver.ts).
 *
 *   LISTENING  subscribed and announced; again on every connection, because a broker may have lost its session
 *   PAUSED     unsubscribed, presence withdrawn: others of the group get the messages, the outbox keeps the rest
 *   DRAINING   unsubscribed; what was taken is finished
 *   STOPPED    nothing is held
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
        // The outbox sends at once to whom it sees arrive: what was refused meanwhile need not wait for its retry.
        "database.returned": { actions: "announce" },
        "receiver.pause": "PAUSED",
        "receiver.drain": "DRAINING",
      },
    },
    PAUSED: {
      entry: "withdraw",
      on: {
        // The broker says our will when a connection breaks; nobody is to wait for us because of it.
        "link.opened": { actions: "withdraw" },
        "receiver.resume": "LISTENING",
        "receiver.drain": "DRAINING",
      },
    },
    DRAINING: { on: { "receiver.drained": "STOPPED" } },
    STOPPED: { type: "final" },
  },
});
