/** Reports one session: its start and end to the machine, its messages and outcomes to the hot path. */
import type { FailureInput } from "../mqtt/failure-input.ts";
import type { BrokerLimits, IncomingMessage, PublishOutcome, Subscription } from "../mqtt/messages.ts";
import type { OutstandingPublish } from "../mqtt/outstanding.ts";
import type { TransportListener } from "../mqtt/transport.ts";
import { classifyFailure, remedyFor, subscriptionRefusal } from "./classify-failure.ts";
import type { SessionEvent } from "./link-context.ts";

export interface SessionTraffic {
  received(message: IncomingMessage): void;
  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void;
  checkWritable(): void;
  /** All outcomes of the session were given. @returns whether a caller excused its end */
  ended(): boolean;
  /** The broker closed the connection. @param unanswered optional filters whose SUBACK was outstanding */
  closedAt(unanswered: readonly string[]): void;
}

/** Ends that are the broker's doing. */
const CLOSES: ReadonlySet<FailureInput["kind"]> = new Set(["closed", "error", "disconnect"]);

export class SessionReporter implements TransportListener {
  readonly #traffic: SessionTraffic;
  readonly #protocolVersion: 4 | 5;
  readonly #report: (event: SessionEvent) => void;

  /** @param report sends an event to the machine */
  constructor(traffic: SessionTraffic, protocolVersion: 4 | 5, report: (event: SessionEvent) => void) {
    this.#traffic = traffic;
    this.#protocolVersion = protocolVersion;
    this.#report = report;
  }

  ready(limits: BrokerLimits): void {
    this.#report({ type: "session.connected", limits });
  }

  refused({ filter, need }: Subscription, code: number | null, said?: string): void {
    if (need === undefined || need === "required") return;
    const reason = subscriptionRefusal(this.#protocolVersion, code, said);
    this.#report({ type: "session.refused", refusal: { feature: "subscription", filter, need, reason, code } });
  }

  ended(input: FailureInput, unanswered: readonly string[]): void {
    if (CLOSES.has(input.kind)) this.#traffic.closedAt(unanswered);
    const excused = this.#traffic.ended();
    this.#report({ type: "session.ended", failure: classifyFailure(input), remedy: remedyFor(input), excused });
  }

  message(message: IncomingMessage): void {
    this.#traffic.received(message);
  }

  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void {
    this.#traffic.settled(entry, outcome, at);
  }

  roomChanged(): void {
    this.#traffic.checkWritable();
  }
}
