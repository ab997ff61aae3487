/** Reports one session: its start and end to the machine, its messages and outcomes to the hot path. */
import type { FailureInput } from "../mqtt/failure-input.ts";
import type { BrokerLimits, IncomingMessage, PublishOutcome } from "../mqtt/messages.ts";
import type { OutstandingPublish } from "../mqtt/outstanding.ts";
import type { TransportListener } from "../mqtt/transport.ts";
import { classifyFailure, remedyFor } from "./classify-failure.ts";
import type { SessionEvent } from "./link-context.ts";

export interface SessionTraffic {
  received(message: IncomingMessage): void;
  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void;
  checkWritable(): void;
}

export class SessionReporter implements TransportListener {
  readonly #traffic: SessionTraffic;
  readonly #report: (event: SessionEvent) => void;

  /** @param report sends an event to the machine */
  constructor(traffic: SessionTraffic, report: (event: SessionEvent) => void) {
    this.#traffic = traffic;
    this.#report = report;
  }

  ready(limits: BrokerLimits): void {
    this.#report({ type: "session.connected", limits });
  }

  ended(input: FailureInput): void {
    this.#report({ type: "session.ended", failure: classifyFailure(input), remedy: remedyFor(input) });
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
