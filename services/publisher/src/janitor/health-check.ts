/** Warns about messages that have been waiting for long, and about a connection without traffic. */
import type { Link } from "@acktor/shared/link/link";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { PeriodicOutput } from "./periodic-machine.ts";
import type { PeriodicWork } from "./periodic-role.ts";
import type { WaitingLevel } from "./waiting-level.ts";

/** A connection without traffic for this long is worth a warning. */
const IDLE_WARNING_MS = 300_000;

export interface HealthCheckParts {
  readonly level: WaitingLevel;
  readonly link: Link;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly oldWaitingMs: number;
}

export class HealthCheck implements PeriodicWork {
  readonly name = "health";
  readonly intervalMs = 30_000;
  readonly #parts: HealthCheckParts;
  #lastActivity: number | null = null;
  #idleSince: number | null = null;

  constructor(parts: HealthCheckParts) {
    this.#parts = parts;
  }

  run(): Promise<PeriodicOutput> {
    const { level, link, clock, logger, oldWaitingMs } = this.#parts;
    const { waiting, oldestWaitingMs } = level;
    if (oldestWaitingMs !== null && oldestWaitingMs > oldWaitingMs) {
      const seconds = Math.round(oldestWaitingMs / 1_000);
      logger.warn(
        { actor: this.name, waiting, oldest_seconds: seconds },
        "messages have been waiting longer than ACKTOR_OLD_WAITING",
      );
    }
    const { state, stats } = link.info();
    this.#noteActivity(state === "CONNECTED" ? stats.messagesSent + stats.messagesReceived : null, clock.now());
    return Promise.resolve({ more: false });
  }

  #noteActivity(activity: number | null, now: number): void {
    if (activity === null || activity !== this.#lastActivity) this.#idleSince = null;
    else this.#idleSince ??= now;
    this.#lastActivity = activity;
    if (this.#idleSince === null || now - this.#idleSince < IDLE_WARNING_MS) return;
    const idleSeconds = Math.round((now - this.#idleSince) / 1_000);
    this.#parts.logger.warn({ actor: this.name, idle_seconds: idleSeconds }, "the MQTT connection carries no messages");
    this.#idleSince = now;
  }
}
