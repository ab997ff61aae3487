/** S7 and S8: what the link has done, for people to read. Counted on the way, put together when somebody asks. */
import type { ErrorType } from "../runtime/error-type.ts";
import { classifyFailure } from "./classify-failure.ts";
import type { LinkFailure, LinkInfo, PublishOutcome } from "./link.ts";
import type { LinkContext, LinkFact } from "./link-context.ts";

export class LinkStats {
  connectionAttempts = 0;
  successfulConnections = 0;
  disconnections = 0;
  messagesSent = 0;
  messagesReceived = 0;
  breakerOpenings = 0;
  /** Milliseconds since 1970. */
  connectedAt: number | null = null;
  disconnectedAt: number | null = null;
  lastActivityAt: number | null = null;
  lastError: (LinkFailure & { readonly at: number }) | null = null;
  readonly #errorsByType = new Map<ErrorType, number>();

  heard({ type, fact }: LinkFact): void {
    switch (type) {
      case "link.transition":
        if (fact.to === "OPEN") this.breakerOpenings++;
        return;
      case "link.connected":
        this.successfulConnections++;
        this.connectedAt = Date.now();
        return;
      case "link.disconnected":
        this.disconnections++;
        this.disconnectedAt = Date.now();
        return;
      case "link.error":
        this.lastError = { ...fact, at: Date.now() };
        this.#count(fact.type);
        return;
      case "link.reconnected":
        return;
    }
  }

  /** Publishes that went wrong are errors of their type too, though not of the connection. */
  publishEnded(outcome: PublishOutcome): void {
    if (outcome.kind === "refused") this.#count(classifyFailure({ kind: "puback", code: outcome.reasonCode }).type);
    if (outcome.kind === "lost" && outcome.why === "deadline") this.#count("timeout");
  }

  read(): LinkInfo["stats"] {
    return {
      connectionAttempts: this.connectionAttempts,
      successfulConnections: this.successfulConnections,
      disconnections: this.disconnections,
      messagesSent: this.messagesSent,
      messagesReceived: this.messagesReceived,
      breakerOpenings: this.breakerOpenings,
      errorsByType: Object.fromEntries(this.#errorsByType),
    };
  }

  #count(type: ErrorType): void {
    this.#errorsByType.set(type, (this.#errorsByType.get(type) ?? 0) + 1);
  }
}

/** When the next attempt is due, in milliseconds since 1970, or null where none is planned. */
export function nextAttemptAt(context: LinkContext): number | null {
  const { at, wait, opened, now } = context;
  if (at.connection !== "RECONNECTING" && at.connection !== "ERROR") return null;
  const holdsBack = at.connection === "RECONNECTING" && at.breaker === "OPEN" && opened.by !== "operator";
  const due = Math.max(wait.until, holdsBack ? opened.until : 0);
  return Math.round(Date.now() + Math.max(0, due - now()));
}
