/**
 * The link: its connection and its circuit breaker, one parallel machine.
 *
 *   connection  DISCONNECTED → CONNECTING → CONNECTED | RECONNECTING | ERROR; RECONNECTING | ERROR → CONNECTING
 *   breaker     CLOSED → OPEN → HALF_OPEN → CLOSED | OPEN
 *
 * Invariants:
 *  LINK_MACHINE-1. There is at most one session, and none in DISCONNECTED, RECONNECTING and ERROR.
 *  LINK_MACHINE-2. The machine never gives up: RECONNECTING and ERROR always lead to another attempt, unless an operator
 *                  disconnects.
 *  LINK_MACHINE-3. RECONNECTING waits for the backoff *and* for the breaker, at the same time. ERROR waits long and tries once.
 *  LINK_MACHINE-4. The breaker never ends a connection; one that an operator opened holds back publishes only, not connects.
 *  LINK_MACHINE-5. A failed connect counts against the breaker, for any reason; a fallback to the older version, to less of a
 *                  will, or to a newer token, does not.
 *  LINK_MACHINE-6. The backoff starts again only after a connection that held, or by an operator's command.
 *
 * A session outlives CONNECTING, so the machine spawns and stops it: an invocation of CONNECTING would end on the way out.
 * Time, randomness and sockets come from outside: the actor's clock, `input.clock`, `input.random`, the actor `session`.
 */
import {
  and,
  assign,
  emit,
  enqueueActions,
  fromCallback,
  not,
  or,
  raise,
  setup,
  spawnChild,
  stateIn,
  stopChild,
} from "xstate";
import { classifyFailure } from "./classify-failure.ts";
import type { BreakerState, ConnectionState } from "./link.ts";
import type { LinkContext, LinkEvent, LinkFact, LinkInput, SessionInput } from "./link-context.ts";
import * as change from "./link-context.ts";
import * as guard from "./link-guards.ts";
import { formNow } from "./will-form.ts";

const linkSetup = setup({
  types: {
    context: {} as LinkContext,
    events: {} as LinkEvent,
    emitted: {} as LinkFact,
    input: {} as LinkInput,
    children: {} as { session: "session" },
  },
  actors: { session: fromCallback<{ type: string }, SessionInput>(() => undefined) },
  delays: {
    backoff: guard.wait,
    errorWait: guard.wait,
    breakerWait: guard.breakerWait,
    connectTimeout: guard.connectTimeout,
    held: guard.held,
  },
  guards: {
    hasOlderVersion: guard.hasOlderVersion,
    hasLesserWill: guard.hasLesserWill,
    hasNewCredentials: guard.hasNewCredentials,
    needsOperator: guard.needsOperator,
    waitIsOver: guard.waitIsOver,
    openedByFailures: guard.openedByFailures,
    openedByConnects: guard.openedByConnects,
    released: guard.isReleased,
    tooManyConnectsFailed: guard.tooManyConnectsFailed,
    breakerIsOpen: stateIn({ breaker: "OPEN" }),
    isDisconnected: stateIn({ connection: "DISCONNECTED" }),
    isReconnecting: stateIn({ connection: "RECONNECTING" }),
    isInError: stateIn({ connection: "ERROR" }),
    // LINK_MACHINE-3, LINK_MACHINE-4
    mayConnect: and(["waitIsOver", not(and(["breakerIsOpen", "openedByFailures"]))]),
    connectIsAsked: and(["openedByFailures", or(["isDisconnected", "isInError"])]),
    resetIsAsked: or(["isReconnecting", "isInError"]),
  },
  actions: {
    arrive: enqueueActions(
      (
        { context, event, enqueue },
        params: { readonly connection: ConnectionState } | { readonly breaker: BreakerState },
      ) => {
        const region = "connection" in params ? "connection" : "breaker";
        const to = "connection" in params ? params.connection : params.breaker;
        const from = context.at[region];
        // The initial states are entered without a move.
        if (from === to) return;
        enqueue.assign({ at: { ...context.at, ...params } });
        enqueue.emit({ type: "link.transition", fact: { region, from, to, event: event.type } });
      },
    ),
    chooseVersion: assign(({ context }) => change.chooseVersion(context)),
    fallBack: assign(({ context, event }) =>
      event.type === "session.ended" ? change.fallBack(context, event.remedy) : {},
    ),
    lessenWill: assign(({ context, event }) => change.lessenWill(context, change.failureOf(event))),
    noteRefused: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== "session.refused") return;
      enqueue.assign(change.noteRefused(context, event.refusal));
      enqueue.emit({ type: "link.refused", fact: event.refusal });
    }),
    openSession: spawnChild("session", {
      id: "session",
      input: ({ context }) => ({ protocolVersion: context.version.speak, will: formNow(context.will) }),
    }),
    closeSession: stopChild("session"),
    noteConnected: assign(({ context, event }) =>
      event.type === "session.connected" ? change.noteConnected(context, event.limits) : {},
    ),
    noteFailedConnect: assign(({ context, event }) =>
      change.noteFailedConnect(
        context,
        change.failureOf(event),
        event.type === "session.ended" ? event.remedy : "retry",
      ),
    ),
    noteConnectTimeout: assign(({ context }) => {
      const afterMs = context.policy.connectTimeoutMs;
      return change.noteFailedConnect(context, classifyFailure({ kind: "deadline", of: "connect", afterMs }));
    }),
    noteLoss: assign(({ context, event }) => change.noteLoss(context, change.failureOf(event))),
    noteGoodbye: assign(({ context }) => change.noteLoss(context, null)),
    noteHeld: assign({ attempt: 0 }),
    planRetry: assign(({ context, event }) =>
      event.type === "session.ended"
        ? change.planRetry(context, event.remedy, event.excused)
        : change.planRetry(context, "retry"),
    ),
    planProbe: assign(({ context }) => change.planProbe(context)),
    noteWaitOver: assign(({ context }) => ({ wait: { ...context.wait, over: true } })),
    startAfresh: assign(({ context }) => change.startAfresh(context)),
    planOpening: assign(({ context, event }) => change.planOpening(context, openedBy(event))),
    pinOpening: assign(({ context }) => change.planOpening(context, "operator")),
    forgetOpening: assign(() => change.forgetOpening()),
    tellConnectSucceeded: raise({ type: "connect.succeeded" }),
    tellConnectFailed: raise({ type: "connect.failed" }),
    announceConnected: enqueueActions(({ context, enqueue }) => {
      const { broker, clientId, version, lostAt, clock, refused } = context;
      const fact = { protocolVersion: version.speak, broker, clientId };
      enqueue.emit({ type: "link.connected", fact });
      if (lostAt !== null) enqueue.emit({ type: "link.reconnected", fact: { afterMs: clock.now() - lostAt } });
      // Refused subscriptions were emitted when their SUBACK arrived.
      for (const fact of refused) if (fact.feature === "will") enqueue.emit({ type: "link.refused", fact });
    }),
    announceLoss: emit(({ context }) => ({
      type: "link.disconnected" as const,
      fact: { expected: false, failure: context.failure },
    })),
    announceGoodbye: emit({ type: "link.disconnected", fact: { expected: true, failure: null } }),
    announceFailure: enqueueActions(({ context, enqueue }) => {
      if (context.failure !== null) enqueue.emit({ type: "link.error", fact: context.failure });
    }),
  },
});

/** An opening's cause: the operator, the publishes, or else the connects. */
function openedBy(event: LinkEvent): change.OpenedBy {
  if (event.type === "breaker.open") return "operator";
  return event.type === "breaker.tripped" || event.type === "breaker.relapsed" ? event.by : "connect";
}

const connection = linkSetup.createStateConfig({
  initial: "DISCONNECTED",
  states: {
    DISCONNECTED: {
      // LINK_MACHINE-1
      entry: ["closeSession", { type: "arrive", params: { connection: "DISCONNECTED" } }],
      on: { "link.connect": { target: "CONNECTING", actions: "startAfresh" } },
    },
    CONNECTING: {
      entry: ["chooseVersion", "openSession", { type: "arrive", params: { connection: "CONNECTING" } }],
      on: {
        "session.connected": { target: "CONNECTED", actions: ["noteConnected", "tellConnectSucceeded"] },
        "session.refused": { actions: "noteRefused" },
        "session.ended": [
          // LINK_MACHINE-5
          { guard: "hasOlderVersion", actions: ["fallBack", "closeSession", "openSession"] },
          { guard: "hasLesserWill", actions: ["lessenWill", "closeSession", "openSession"] },
          { guard: "hasNewCredentials", target: "RECONNECTING" },
          {
            guard: "needsOperator",
            target: "ERROR",
            actions: ["noteFailedConnect", "announceFailure", "tellConnectFailed"],
          },
          { target: "RECONNECTING", actions: ["noteFailedConnect", "announceFailure", "tellConnectFailed"] },
        ],
        "xstate.error.actor.session": {
          target: "RECONNECTING",
          actions: ["noteFailedConnect", "announceFailure", "tellConnectFailed"],
        },
        "link.disconnect": { target: "DISCONNECTED" },
      },
      after: {
        connectTimeout: {
          target: "RECONNECTING",
          actions: ["noteConnectTimeout", "announceFailure", "tellConnectFailed"],
        },
      },
    },
    CONNECTED: {
      entry: [{ type: "arrive", params: { connection: "CONNECTED" } }, "announceConnected"],
      on: {
        "session.refused": { actions: "noteRefused" },
        "session.ended": [
          { guard: "hasNewCredentials", target: "RECONNECTING", actions: ["noteGoodbye", "announceGoodbye"] },
          { guard: "needsOperator", target: "ERROR", actions: ["noteLoss", "announceLoss", "announceFailure"] },
          { target: "RECONNECTING", actions: ["noteLoss", "announceLoss", "announceFailure"] },
        ],
        "xstate.error.actor.session": {
          target: "RECONNECTING",
          actions: ["noteLoss", "announceLoss", "announceFailure"],
        },
        "link.disconnect": { target: "DISCONNECTED", actions: ["noteGoodbye", "announceGoodbye"] },
      },
      // LINK_MACHINE-6
      after: { held: { actions: "noteHeld" } },
    },
    RECONNECTING: {
      entry: ["closeSession", "planRetry", { type: "arrive", params: { connection: "RECONNECTING" } }],
      after: { backoff: { actions: "noteWaitOver" } },
      // LINK_MACHINE-2
      always: { guard: "mayConnect", target: "CONNECTING" },
      on: {
        "link.reset": { target: "CONNECTING", actions: "startAfresh" },
        "link.disconnect": { target: "DISCONNECTED" },
      },
    },
    ERROR: {
      entry: ["closeSession", "planProbe", { type: "arrive", params: { connection: "ERROR" } }],
      // LINK_MACHINE-2
      after: { errorWait: { target: "CONNECTING" } },
      on: {
        "link.connect": { target: "CONNECTING", actions: "startAfresh" },
        "link.reset": { target: "CONNECTING", actions: "startAfresh" },
        "link.disconnect": { target: "DISCONNECTED" },
      },
    },
  },
});

const breaker = linkSetup.createStateConfig({
  initial: "CLOSED",
  states: {
    CLOSED: {
      entry: ["forgetOpening", { type: "arrive", params: { breaker: "CLOSED" } }],
      on: {
        "breaker.tripped": { target: "OPEN", actions: "planOpening" },
        "breaker.open": { target: "OPEN", actions: "planOpening" },
        "connect.failed": { guard: "tooManyConnectsFailed", target: "OPEN", actions: "planOpening" },
      },
    },
    OPEN: {
      entry: { type: "arrive", params: { breaker: "OPEN" } },
      after: { breakerWait: { guard: "openedByFailures", target: "HALF_OPEN" } },
      on: {
        "breaker.open": { guard: "openedByFailures", actions: "pinOpening" },
        "breaker.close": { target: "HALF_OPEN", actions: "forgetOpening" },
        "link.reset": { guard: "resetIsAsked", target: "HALF_OPEN", actions: "forgetOpening" },
        "link.connect": { guard: "connectIsAsked", target: "HALF_OPEN" },
      },
    },
    HALF_OPEN: {
      entry: { type: "arrive", params: { breaker: "HALF_OPEN" } },
      // An operator's command needs no probe; it passes through HALF_OPEN so that the moves stay those of the diagram.
      always: { guard: "released", target: "CLOSED" },
      on: {
        "connect.succeeded": { guard: "openedByConnects", target: "CLOSED" },
        "connect.failed": { target: "OPEN", actions: "planOpening" },
        "breaker.proved": { target: "CLOSED" },
        "breaker.relapsed": { target: "OPEN", actions: "planOpening" },
        "breaker.open": { target: "OPEN", actions: "planOpening" },
        "breaker.close": { target: "CLOSED" },
        "link.reset": { guard: "resetIsAsked", target: "CLOSED" },
      },
    },
  },
});

export const linkMachine = linkSetup.createMachine({
  id: "link",
  type: "parallel",
  context: ({ input }) => change.initialContext(input),
  states: { connection, breaker },
});
