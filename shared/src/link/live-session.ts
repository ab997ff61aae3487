/**
 * One session from the reading of its credentials to the closed transport.
 *
 * Invariants:
 *  LIVE_SESSION-1. Nothing opens after `stop`, also where the credentials come late; their program is ended.
 *  LIVE_SESSION-2. With new credentials no publish is accepted any more; the session ends when those in flight are settled, after
 *                  `DRAIN_MS` at the latest.
 */
import type { Transport } from "../mqtt/transport.ts";
import { classifyFailure, remedyFor } from "./classify-failure.ts";
import type { Credentials, CredentialsRead } from "./credentials.ts";
import type { SessionEvent } from "./link-context.ts";
import { Renewal, type RenewalOwner, type RenewalParts } from "./renewal.ts";

const DRAIN_MS = 5_000;

export interface TransportOpener {
  /** May throw on unusable TLS options. */
  openTransport(credentials: Credentials): Transport;
}

export class LiveSession implements RenewalOwner {
  readonly #parts: RenewalParts;
  readonly #opener: TransportOpener;
  readonly #report: (event: SessionEvent) => void;
  #transport: Transport | null = null;
  #renewal: Renewal | null = null;
  #drain: NodeJS.Timeout | null = null;
  #isStopped = false;

  /** @param report sends an event to the machine */
  constructor(parts: RenewalParts, opener: TransportOpener, report: (event: SessionEvent) => void) {
    this.#parts = parts;
    this.#opener = opener;
    this.#report = report;
  }

  get isDraining(): boolean {
    return this.#drain !== null;
  }

  /** Throws what opening throws, where the credentials need not be waited for. */
  begin(): void {
    const read = this.#parts.source.read();
    if (!(read instanceof Promise)) this.#open(read);
    else read.then((late) => this.#open(late)).catch((error: unknown) => this.#failed(error));
  }

  /** A publish was settled. */
  settled(): void {
    if (this.#drain !== null && this.#transport?.inFlight === 0) this.#renewed();
  }

  /** LIVE_SESSION-2 */
  renew(): void {
    if (this.#isStopped || this.#drain !== null) return;
    this.#drain = setTimeout(() => this.#renewed(), DRAIN_MS);
    this.settled();
  }

  /** Ends it. @returns the transport to close, or null */
  stop(): Transport | null {
    this.#isStopped = true; // LIVE_SESSION-1
    this.#renewal?.stop();
    this.#parts.source.cancel?.();
    if (this.#drain !== null) clearTimeout(this.#drain);
    return this.#transport;
  }

  #open(read: CredentialsRead): void {
    if (this.#isStopped) return;
    if (!read.ok) {
      const { failure } = read;
      this.#report({ type: "session.ended", failure: classifyFailure(failure), remedy: remedyFor(failure) });
      return;
    }
    this.#transport = this.#opener.openTransport(read.credentials);
    this.#renewal = new Renewal(this.#parts, this, read.credentials);
  }

  #renewed(): void {
    if (this.#isStopped) return;
    const failure = classifyFailure({ kind: "credentials", code: "RENEWED", message: RENEWED, needsOperator: false });
    this.#report({ type: "session.ended", failure, remedy: "renew" });
  }

  #failed(error: unknown): void {
    if (this.#isStopped) return;
    const message = error instanceof Error ? error.message : String(error);
    this.#report({ type: "session.ended", failure: classifyFailure({ kind: "bug", message }), remedy: "retry" });
  }
}

const RENEWED = "connecting with the new token, before the old one ends";
