/** The conditions and delays of the link machine. Pure. */
import type { Remedy } from "./classify-failure.ts";
import type { LinkContext, LinkEvent } from "./link-context.ts";
import { formNow } from "./will-form.ts";

interface Given {
  readonly context: LinkContext;
  readonly event: LinkEvent;
}

/** Remedies that have no other way left. */
const OPERATOR: ReadonlySet<Remedy> = new Set(["operator", "older_version", "lesser_will"]);

/** Node fires a longer timer immediately. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export function hasOlderVersion({ context, event }: Given): boolean {
  return (
    event.type === "session.ended" &&
    (event.remedy === "older_version" || event.remedy === "maybe_older_version") &&
    context.policy.version === "auto" &&
    context.version.speak === 5
  );
}

export function hasLesserWill({ context, event }: Given): boolean {
  return event.type === "session.ended" && event.remedy === "lesser_will" && formNow(context.will) !== "none";
}

export function hasNewCredentials({ event }: Given): boolean {
  return event.type === "session.ended" && event.remedy === "renew";
}

export function needsOperator({ event }: Given): boolean {
  return event.type === "session.ended" && OPERATOR.has(event.remedy);
}

export function waitIsOver({ context }: Given): boolean {
  return context.wait.over;
}

export function openedByFailures({ context }: Given): boolean {
  return context.opened.by !== null && context.opened.by !== "operator";
}

export function openedByConnects({ context }: Given): boolean {
  return context.opened.by === "connect";
}

export function isReleased({ context }: Given): boolean {
  return context.opened.by === null;
}

export function tooManyConnectsFailed({ context }: Given): boolean {
  return context.failedConnects >= context.policy.breaker.connectFailures;
}

/** The wait of RECONNECTING or ERROR. */
export function wait({ context }: Given): number {
  return Math.min(MAX_DELAY_MS, context.wait.ms);
}

export function breakerWait({ context }: Given): number {
  return Math.min(MAX_DELAY_MS, context.opened.ms);
}

export function connectTimeout({ context }: Given): number {
  return context.policy.connectTimeoutMs;
}

export function held({ context }: Given): number {
  return context.policy.heldMs;
}
