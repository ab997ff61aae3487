/**
 * The stages of a publisher's life, for its supervisor.
 * Requests that were accepted are answered before its connections close.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { Role, Supervised } from "@acktor/shared/runtime/supervisor";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import type { FastifyInstance } from "fastify";
import type { PublisherControl } from "./control/publisher-control.ts";
import type { Overview } from "./overview/overview.ts";
import { type PrepareParts, prepare } from "./prepare.ts";
import type { Principals } from "./principals.ts";
import type { Publisher } from "./publisher.ts";

export interface SupervisedParts extends PrepareParts {
  readonly publisher: Publisher;
  readonly principals: Principals;
  readonly control: PublisherControl;
  readonly pool: Pool;
  readonly tracing: Tracing;
}

/** What people and programs look at; it closes first. */
export interface Front {
  readonly http: FastifyInstance;
  readonly overview: Overview;
}

export class SupervisedPublisher implements Supervised {
  readonly #parts: SupervisedParts;
  /** Written before the start, by `app.ts`. */
  front: Front | null = null;

  constructor(parts: SupervisedParts) {
    this.#parts = parts;
  }

  prepare(signal: AbortSignal): Promise<Prepared> {
    return prepare(this.#parts, signal);
  }

  roles(): Record<string, Role> {
    return { ...this.#parts.publisher.roles(), ...this.#parts.principals.roles };
  }

  pause(): void {
    this.#parts.publisher.dispatch.setPaused(true);
  }

  resume(): void {
    this.#parts.publisher.dispatch.setPaused(false);
  }

  async drain(): Promise<void> {
    const { control, publisher } = this.#parts;
    control.leave();
    this.front?.overview.stop();
    // Requests in progress are answered while the intake drains; then nothing is accepted any more.
    const closing = this.front?.http.close();
    await publisher.drain();
    await closing;
    await this.close();
  }

  /** Closes the connections. A second call has no effect. */
  async close(): Promise<void> {
    const { link, principals, control, pool, tracing } = this.#parts;
    await link.stop();
    await principals.stop();
    await control.stop();
    await pool.stop();
    await tracing.stop();
  }
}
