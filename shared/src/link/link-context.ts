/**
 * The context of the link machine and its changes. Pure: each function takes the context and returns the changed fields.
 */
import type { BrokerLimits, Refusal } from "../mqtt/messages.ts";
import type { Clock, Random } from "../runtime/clock.ts";
import { BUSY_STEP, backoffMs } from "./backoff.ts";
import { classifyFailure, type Remedy } from "./classify-failure.ts";
import type { BreakerState, ConnectionState, LinkEvents, LinkFailure } from "./link.ts";
import type { LinkPolicy } from "./link-policy.ts";
import {
  closedWithWill,
  FULL_WILL,
  formNow,
  lessWill,
  NO_WILL,
  provedWill,
  type WillForm,
  willAfter,
} from "./will-form.ts";

export interface LinkInput {
  readonly policy: LinkPolicy;
  /** Broker's address without credentials. */
  readonly broker: string;
  readonly clientId: string;
  readonly hasWill: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/** What opened the breaker. `connect`: connects, or publishes that were lost with their connection. */
export type OpenedBy = "connect" | "publish" | "operator";

export interface LinkContext extends LinkInput {
  /** The states of both regions, for facts that name both ends of a move. */
  readonly at: { readonly connection: ConnectionState; readonly breaker: BreakerState };
  /**
   * What the next session speaks. `certain`: the broker is known not to speak 5. `suspicions`: connections that worked as
   * 3.1.1 right after the broker had closed on 5 without an answer.
   */
  readonly version: { readonly speak: 4 | 5; readonly certain: boolean; readonly suspicions: number };
  /** Attempts since the connection last held: the n of the backoff. */
  readonly attempt: number;
  readonly failedConnects: number;
  readonly failure: LinkFailure | null;
  readonly limits: BrokerLimits | null;
  readonly will: WillForm;
  /** What the broker refused on this connection. */
  readonly refused: readonly Refusal[];
  /** The wait of RECONNECTING or ERROR: its length, its end (monotonic milliseconds), and whether it is over. */
  readonly wait: { readonly ms: number; readonly until: number; readonly over: boolean };
  /** Why and for how long the breaker is open, and how often it opened since it was closed. */
  readonly opened: {
    readonly by: OpenedBy | null;
    readonly ms: number;
    readonly until: number;
    readonly times: number;
  };
  /** Monotonic milliseconds of the last loss of a connection; null before the first one. */
  readonly lostAt: number | null;
}

export interface SessionInput {
  readonly protocolVersion: 4 | 5;
  readonly will: WillForm["form"];
}

export type SessionEvent =
  | { readonly type: "session.connected"; readonly limits: BrokerLimits }
  | { readonly type: "session.refused"; readonly refusal: Refusal }
  | {
      readonly type: "session.ended";
      readonly failure: LinkFailure;
      readonly remedy: Remedy;
      /** A message of ours was the cause: the backoff does not rise. */
      readonly excused?: boolean;
    };

export type OperatorEvent =
  | { readonly type: "link.connect" }
  | { readonly type: "link.disconnect" }
  | { readonly type: "link.reset" }
  | { readonly type: "breaker.open" }
  | { readonly type: "breaker.close" };

export type LinkEvent =
  | SessionEvent
  | OperatorEvent
  /** Too many publishes failed: the breaker should open. */
  | { readonly type: "breaker.tripped"; readonly by: "connect" | "publish" }
  /** The probes of HALF_OPEN all succeeded, or one failed. */
  | { readonly type: "breaker.proved" }
  | { readonly type: "breaker.relapsed"; readonly by: "connect" | "publish" }
  /** From region to region, never from outside. */
  | { readonly type: "connect.succeeded" }
  | { readonly type: "connect.failed" }
  | { readonly type: "xstate.error.actor.session"; readonly error: unknown };

type FactName = Exclude<keyof LinkEvents, "link.message" | "link.writable">;
export type LinkFact = { [K in FactName]: { readonly type: K; readonly fact: LinkEvents[K] } }[FactName];

type News = Partial<LinkContext>;

const NO_WAIT = { ms: 0, until: 0, over: true } as const;
const NOT_OPENED = { by: null, ms: 0, until: 0, times: 0 } as const;

/** Connections as 3.1.1 after a close on 5, until the broker counts as an older one. A single one may have been a broker that was starting. */
const SUSPICIONS_BELIEVED = 2;

export function initialContext(input: LinkInput): LinkContext {
  return {
    ...input,
    at: { connection: "DISCONNECTED", breaker: "CLOSED" },
    version: firstVersion(input.policy),
    attempt: 0,
    failedConnects: 0,
    failure: null,
    limits: null,
    will: firstWill(input),
    refused: [],
    wait: NO_WAIT,
    opened: NOT_OPENED,
    lostAt: null,
  };
}

/** A new attempt speaks 5 again unless it is known that the broker does not; a will that was refused long ago is tried again. */
export function chooseVersion({ policy, version, will: before, clock }: LinkContext): News {
  const will = willAfter(before, clock.now());
  if (version.certain || policy.version !== "auto") return { refused: [], will };
  return { version: { ...version, speak: 5 }, refused: [], will };
}

/** The broker refused the will by a code. */
export function lessenWill({ will, clock }: LinkContext, failure: LinkFailure): News {
  return { will: lessWill(will, failure, clock.now()) };
}

/** The broker refused something optional. */
export function noteRefused({ refused }: LinkContext, refusal: Refusal): News {
  return { refused: [...refused.filter(({ filter }) => filter !== refusal.filter), refusal] };
}

/** The broker did not accept 5. */
export function fallBack({ version }: LinkContext, remedy: Remedy): News {
  return { version: { ...version, speak: 4, certain: remedy === "older_version" } };
}

export function noteConnected(context: LinkContext, limits: BrokerLimits): News {
  const { version, policy } = context;
  const suspicious = policy.version === "auto" && version.speak === 4 && !version.certain;
  const suspicions = suspicious ? version.suspicions + 1 : version.suspicions;
  const certain = version.certain || suspicions >= SUSPICIONS_BELIEVED;
  const refused = [...willRefusals(context), ...context.refused];
  const will = provedWill(context.will);
  return { limits, failedConnects: 0, version: { ...version, suspicions, certain }, will, refused };
}

function willRefusals({ will, hasWill }: LinkContext): Refusal[] {
  const form = formNow(will);
  if (!hasWill || form === "full" || will.why === null) return [];
  const { reason, code } = will.why;
  return [{ feature: "will", filter: null, need: "optional", reason, code: typeof code === "number" ? code : null }];
}

export function noteFailedConnect(context: LinkContext, failure: LinkFailure, remedy: Remedy = "retry"): News {
  const { clock, will: before } = context;
  const will = remedy === "maybe_older_version" ? closedWithWill(before, failure, clock.now()) : before;
  return { failure, failedConnects: context.failedConnects + 1, limits: null, will };
}

export function noteLoss(context: LinkContext, failure: LinkFailure | null): News {
  return { failure: failure ?? context.failure, limits: null, lostAt: context.clock.now() };
}

/** Plans the wait of RECONNECTING. */
export function planRetry(context: LinkContext, remedy: Remedy, excused = false): News {
  const { policy, random, clock, wait, attempt } = context;
  if (remedy === "renew") return { wait: NO_WAIT };
  const n = excused ? 0 : remedy === "busy" ? Math.max(attempt, BUSY_STEP) : attempt;
  const ms = backoffMs(policy.backoff, n, attempt === 0 ? 0 : wait.ms, random);
  return { attempt: excused ? attempt : n + 1, wait: { ms, until: clock.now() + ms, over: false } };
}

/** Plans the wait of ERROR. */
export function planProbe({ policy, random, clock, attempt }: LinkContext): News {
  const [from, to] = policy.errorWaitMs;
  const ms = from + random.next() * (to - from);
  return { attempt: attempt + 1, wait: { ms, until: clock.now() + ms, over: false } };
}

/** An operator's command: as if nothing had failed yet. */
export function startAfresh(context: LinkContext): News {
  const version = firstVersion(context.policy);
  return { attempt: 0, failedConnects: 0, wait: NO_WAIT, version, will: firstWill(context) };
}

/** Plans how long the breaker stays open. An operator's opening lasts until an operator closes it. */
export function planOpening({ policy, random, clock, opened }: LinkContext, by: OpenedBy): News {
  const { openBaseMs, openCapMs, connectOpenCapMs } = policy.breaker;
  const cap = by === "connect" ? Math.min(openCapMs, connectOpenCapMs) : openCapMs;
  const ms = (0.5 + random.next() / 2) * Math.min(cap, openBaseMs * 2 ** opened.times);
  return {
    opened: { by, ms, until: by === "operator" ? Number.POSITIVE_INFINITY : clock.now() + ms, times: opened.times + 1 },
  };
}

/** Closed: by its probes, or by an operator. */
export function forgetOpening(): News {
  return { opened: NOT_OPENED, failedConnects: 0 };
}

export function failureOf(event: LinkEvent): LinkFailure {
  if (event.type === "session.ended") return event.failure;
  const error = event.type === "xstate.error.actor.session" ? event.error : null;
  return classifyFailure({ kind: "bug", message: error instanceof Error ? error.message : String(error) });
}

function firstWill({ hasWill }: LinkInput): WillForm {
  return hasWill ? FULL_WILL : NO_WILL;
}

function firstVersion(policy: LinkPolicy): LinkContext["version"] {
  return { speak: policy.version === "3.1.1" ? 4 : 5, certain: policy.version !== "auto", suspicions: 0 };
}
