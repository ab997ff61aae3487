/**
 * Decides when the dispatcher claims from the outbox. It knows no messages.
 *
 *   IDLE      a gate is closed (link not CONNECTED, breaker open, paused): nothing is claimed
 *   CLAIMING  one claim statement is under way
 *   SENDING   messages are in memory; the next claim comes when there is room, or with the poll
 *   WAITING   nothing is due; the next claim comes with a wake or with the poll
 *
 * Invariants:
 *  DISPATCHER_MACHINE-1. A wake that comes during a claim is not lost: another claim follows.
 *  DISPATCHER_MACHINE-2. With a gate closed nothing is claimed, so that no attempt is used up while offline.
 *  DISPATCHER_MACHINE-3. Rows of silent destinations delay no other row: a claim that only set such rows aside is followed by
 *     the next one immediately.
 */
import { assign, fromPromise, setup } from "xstate";

export interface ClaimOutput {
  readonly claimed: number;
  /** The claim filled its limit, or set rows of parked destinations aside: more may be due behind them. */
  readonly more: boolean;
  /** Memory had no room, so nothing was asked for. */
  readonly full: boolean;
}

export type DispatcherEvent =
  | { readonly type: "gates.opened" }
  | { readonly type: "gates.closed" }
  | { readonly type: "outbox.woken" }
  /** Memory has room again. */
  | { readonly type: "queue.low" };

export interface DispatcherContext {
  readonly woken: boolean;
  readonly more: boolean;
  readonly failures: number;
}

export interface DispatcherInput {
  readonly pollMs: number;
}

export const dispatcherMachine = setup({
  types: {
    context: {} as DispatcherContext & DispatcherInput,
    events: {} as DispatcherEvent,
    input: {} as DispatcherInput,
  },
  actors: {
    claim: fromPromise<ClaimOutput>(() => Promise.reject(new Error("the claim is provided by the dispatcher"))),
  },
  actions: {
    noteWake: assign({ woken: true }),
    forgetWake: assign({ woken: false }),
    noteClaim: assign({
      more: (_, params: ClaimOutput) => params.more,
      failures: 0,
    }),
    noteFailure: assign({ more: false, failures: ({ context }) => context.failures + 1 }),
  },
  guards: {
    wasWoken: ({ context }) => context.woken,
    moreIsDue: ({ context }) => context.more,
    hasMessages: (_, params: ClaimOutput) => params.claimed > 0 || params.full,
    onlySetAside: (_, params: ClaimOutput) => params.more,
  },
  delays: {
    /** Doubled with each failed claim, up to 16 times, so that a database that comes back receives no storm of claims. */
    poll: ({ context }) => context.pollMs * 2 ** Math.min(4, context.failures),
  },
}).createMachine({
  id: "dispatcher",
  context: ({ input }) => ({ ...input, woken: false, more: false, failures: 0 }),
  initial: "IDLE",
  // DISPATCHER_MACHINE-2
  on: { "gates.closed": ".IDLE" },
  states: {
    IDLE: {
      on: { "gates.opened": "CLAIMING" },
    },
    CLAIMING: {
      entry: "forgetWake",
      on: { "outbox.woken": { actions: "noteWake" } },
      invoke: {
        id: "claim",
        src: "claim",
        onDone: [
          {
            guard: { type: "hasMessages", params: ({ event }) => event.output },
            actions: { type: "noteClaim", params: ({ event }) => event.output },
            target: "SENDING",
          },
          // DISPATCHER_MACHINE-3
          {
            guard: { type: "onlySetAside", params: ({ event }) => event.output },
            actions: { type: "noteClaim", params: ({ event }) => event.output },
            target: "CLAIMING",
            reenter: true,
          },
          // DISPATCHER_MACHINE-1
          {
            guard: "wasWoken",
            actions: { type: "noteClaim", params: ({ event }) => event.output },
            target: "CLAIMING",
            reenter: true,
          },
          { actions: { type: "noteClaim", params: ({ event }) => event.output }, target: "WAITING" },
        ],
        onError: { actions: "noteFailure", target: "WAITING" },
      },
    },
    SENDING: {
      on: {
        "outbox.woken": "CLAIMING",
        "queue.low": [
          { guard: "moreIsDue", target: "CLAIMING" },
          { guard: "wasWoken", target: "CLAIMING" },
          { target: "WAITING" },
        ],
      },
      after: { poll: "CLAIMING" },
    },
    WAITING: {
      on: { "outbox.woken": "CLAIMING" },
      after: { poll: "CLAIMING" },
    },
  },
});
