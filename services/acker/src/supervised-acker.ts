/**
 * The stages of an acker's life, for its supervisor.
 *
 * Invariants:
 *  ACKER-1. Nothing is subscribed and no presence is announced before the inbox can take messages.
 *  ACKER-2. A stop takes at most `DRAIN_DEADLINE_MS`: no intake, batches finished, acks sent, presence cleared, DISCONNECT.
 */
import { pause } from "@acktor/shared/runtime/pause";
import type { Role, Supervised } from "@acktor/shared/runtime/supervisor";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import type { AnyActor } from "xstate";
import type { Acker } from "./acker.ts";
import { CleanInbox } from "./inbox/clean-inbox.ts";
import { prepareInbox } from "./inbox/prepare-inbox.ts";
import { VERSION } from "./version.ts";

/** Shows the acker's machines to viewers. */
export interface AckerObserver {
  followReceiver(actor: AnyActor): void;
}

/** A part around the acker, which ends with it. */
export interface Stoppable {
  stop(): Promise<unknown>;
}

/** Under the five seconds that supervisors of processes allow; its steps together are shorter. */
export const DRAIN_DEADLINE_MS = 4_500;
const GIVE_UP_AFTER_MS = 2_000;
const LAST_ACKS_MS = 700;
const CLEAR_PRESENCE_MS = 400;
const CLOSE_MS = 500;

export class SupervisedAcker implements Supervised {
  /** What ends with the acker. Written before the start, by `app.ts`. */
  around: readonly Stoppable[] = [];
  readonly #acker: Acker;

  constructor(acker: Acker) {
    this.#acker = acker;
  }

  async prepare(signal: AbortSignal): Promise<Prepared> {
    const { database, receiver, parts } = this.#acker;
    const { config, handler, inbox, link, logger, observer, random } = parts;
    const prepared = await prepareInbox({ inbox, database, random, logger }, signal);
    if (!prepared.ok || signal.aborted) return prepared;
    // ACKER-1
    receiver.start();
    observer.followReceiver(receiver.actor);
    const connecting = await link.connect();
    if (!connecting.ok) logger.error({ why: connecting.reason }, "the link refused to connect");
    logger.info({ topics: config.ACKTOR_TOPICS, handler: handler.name, version: VERSION }, "acker takes messages");
    return prepared;
  }

  roles(): Record<string, Role> {
    const { database, parts, runs, troubles } = this.#acker;
    const janitor = new CleanInbox({ ...parts, troubles });
    if (runs === null) return { database, janitor };
    return { database, janitor, leases: runs.leases, patience: runs.patience };
  }

  pause(): void {
    this.#acker.receiver.pause();
  }

  resume(): void {
    this.#acker.receiver.resume();
  }

  /** ACKER-2. Each step is bounded; the supervisor's deadline is the last resort. */
  async drain(): Promise<void> {
    const { acks, counts, database, parts, processor, receiver } = this.#acker;
    receiver.drain();
    const abandon = new AbortController();
    const timer = setTimeout(() => abandon.abort(), database.isUp() ? GIVE_UP_AFTER_MS : 0);
    await processor.drain(abandon.signal);
    clearTimeout(timer);
    await acks.drain(LAST_ACKS_MS);
    await receiver.clear(CLEAR_PRESENCE_MS);
    await receiver.stop();
    // After a DISCONNECT the broker does not publish the will.
    await parts.link.disconnect();
    const closed = this.close().then(() => true);
    const inTime = await Promise.race([closed, pause(CLOSE_MS, new AbortController().signal).then(() => false)]);
    parts.logger.info({ counts, in_time: inTime }, "acker stopped");
  }

  /** Closes connections. A second call has no effect. */
  async close(): Promise<void> {
    const { acks, parts } = this.#acker;
    acks.stop();
    await Promise.all([parts.link, parts.inbox, ...this.around].map((part) => part.stop()));
  }
}
