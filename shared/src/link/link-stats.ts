/** The statistics of a link, for people to read: counted as things happen, assembled on demand. */
import type { Clock } from "../runtime/clock.ts";
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
  readonly #clock: Clock;
  readonly #errorsByType = new Map<ErrorType, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  heard({ type, fact }: LinkFact): void {
    switch (type) {
      case "link.transition":
        if (fact.to === "OPEN") this.breakerOpenings++;
        return;
      case "link.connected":
        this.successfulConnections++;
        this.connectedAt = this.#clock.wallClock();
        return;
      case "link.disconnected":
        this.disconnections++;
        this.disconnectedAt = this.#clock.wallClock();
        return;
      case "link.error":
        this.lastError = { ...fact, at: this.#clock.wallClock() };
        this.#count(fact.type);
        return;
      case "link.reconnected":
        return;
    }
  }

  /** A failed publish counts as an error of its type, though not of the connection. */
  publishSettled(outcome: PublishOutcome): void {
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

/** When the next attempt is due, in milliseconds since 1970; null where none is planned. */
export function nextAttemptAt(context: LinkContext): number | null {
  const { at, wait, opened, clock } = context;
  if (at.connection !== "RECONNECTING" && at.connection !== "ERROR") return null;
  const holdsBack = at.connection === "RECONNECTING" && at.breaker === "OPEN" && opened.by !== "operator";
  const due = Math.max(wait.until, holdsBack ? opened.until : 0);
  return Math.round(clock.wallClock() + Math.max(0, due - clock.now()));
}
