/**
 * Runs the receiver machine over the link, the intake and the presence of one acker.
 *
 * Invariants:
 *  RECEIVER-1. A birth that the broker or the breaker did not take is published when the link takes publishes again.
 *  RECEIVER-2. A group is used only where the broker delivers on shared subscriptions; elsewhere every acker of the
 *              group receives every message, and the inbox removes the duplicates.
 *  RECEIVER-3. A filter that the broker refuses does not stop the others. Where it refuses one of a group, the acker takes the
 *              plain filter; where a SUBACK was only late, until the next connection.
 *  RECEIVER-4. While it listens, its birth is renewed every few hours.
 */
import type { Link } from "@acktor/shared/link/link";
import type { Clock, Random } from "@acktor/shared/runtime/clock";
import type { DatabaseListener } from "@acktor/shared/runtime/database-health";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { Lifecycle } from "@acktor/shared/runtime/lifecycle";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import { type Actor, createActor } from "xstate";
import { Announcer } from "./announcer.ts";
import { arrivingFilters, birthFilters, chooseFilters } from "./choose-filters.ts";
import type { Intake } from "./intake.ts";
import { birthRenewalMs } from "./presence.ts";
import { receiverMachine } from "./receiver-machine.ts";

type ReceiverSettings = Pick<
  AckerSettings,
  "ACKTOR_TOPICS" | "ACKTOR_TOPIC_MAP" | "ACKTOR_GROUP" | "ACKTOR_PRESENCE_PREFIX" | "ACKTOR_PRESENCE"
>;

export interface ReceiverParts {
  readonly link: Link;
  readonly intake: Intake;
  readonly config: ReceiverSettings;
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Catches what listeners throw at what the network sends. */
  readonly guard: ListenerGuard;
}

const WITHDRAW_TIMEOUT_MS = 1_000;

export class Receiver implements DatabaseListener {
  readonly actor: Actor<typeof receiverMachine>;
  readonly #parts: ReceiverParts;
  readonly #announcer: Announcer;
  readonly #life = new Lifecycle();
  readonly #subscriptions: (() => void)[] = [];
  /** Filters that the link subscribes to. Written by `#subscribe` and `#unsubscribe`. */
  #wanted: readonly string[] = [];
  /** Filters of the group that the broker refused, and the plain ones. */
  readonly #ungrouped = new Map<string, string>();
  /** Those of them that the broker did not answer in time on this connection. */
  readonly #late = new Set<string>();
  #isWarned = false;
  /** A birth is due. Written by `#announce` and `#withdraw`. */
  #owesBirth = false;
  /** The next renewal. Written by `#announce`. */
  #renewal: NodeJS.Timeout | undefined;

  constructor(parts: ReceiverParts) {
    const { config, instance, clock, intake, logger } = parts;
    this.#parts = parts;
    const presence = { prefix: config.ACKTOR_PRESENCE_PREFIX, instance, filters: birthFilters(config), clock };
    this.#announcer = new Announcer({ ...parts, presence, isOn: config.ACKTOR_PRESENCE === "on" });
    this.actor = createActor(
      receiverMachine.provide({
        actions: {
          openIntake: () => intake.open(),
          closeIntake: () => intake.close(),
          subscribe: () => this.#subscribe(),
          unsubscribe: () => this.#unsubscribe(),
          announce: () => this.#announce(),
          withdraw: () => this.#withdraw(),
        },
      }),
    );
    this.actor.subscribe({ error: (error) => logger.error({ err: error }, "the receiver ended by an error") });
  }

  /** LISTENING from now on. The link may be connected or not. */
  start(): void {
    if (!this.#life.begin()) return;
    const { link, intake, guard } = this.#parts;
    this.#subscriptions.push(
      link.on(
        "link.message",
        guard.wrap("link.message", (message) => intake.receive(message)),
      ),
      link.on("link.refused", ({ filter, code }) => this.#refused(filter, code)),
      link.on("link.transition", ({ event }) => {
        if (event === "link.reset") this.#ungrouped.clear();
      }),
      link.on("link.connected", () => {
        for (const filter of this.#late) this.#ungrouped.delete(filter);
        this.#late.clear();
        this.actor.send({ type: "link.opened" });
      }),
      link.on("link.writable", () => {
        // RECEIVER-1
        if (this.#owesBirth && this.actor.getSnapshot().matches("LISTENING")) this.#announce();
      }),
    );
    this.actor.start();
  }

  pause(): void {
    this.#send("receiver.pause");
  }

  resume(): void {
    this.#send("receiver.resume");
  }

  /** Takes nothing more from now on. */
  drain(): void {
    this.#send("receiver.drain");
  }

  databaseReturned(): void {
    this.#send("database.returned");
  }

  /** Clears the retained presence; at most `timeoutMs`. */
  async clear(timeoutMs: number): Promise<void> {
    const isRunning = this.#life.state === "RUNNING";
    if (isRunning && this.#isConnected()) await this.#announcer.withdraw(timeoutMs);
  }

  /** Ends the actor; `clear` comes before. */
  async stop(): Promise<void> {
    const isRunning = this.#life.state === "RUNNING";
    await this.#life.stop(() => {
      for (const unlisten of this.#subscriptions.splice(0)) unlisten();
      clearTimeout(this.#renewal);
      if (isRunning) this.actor.send({ type: "receiver.drained" });
      this.actor.stop();
      return undefined;
    });
  }

  /** STOPPED before its start, too, and after a stop that came before it. */
  state(): string {
    return this.#life.state === "RUNNING" ? String(this.actor.getSnapshot().value) : "STOPPED";
  }

  #send(type: "receiver.pause" | "receiver.resume" | "receiver.drain" | "database.returned"): void {
    if (this.#life.state === "RUNNING") this.actor.send({ type });
  }

  #isConnected(): boolean {
    return this.#parts.link.info().state === "CONNECTED";
  }

  #subscribe(): void {
    const { link, logger, config } = this.#parts;
    const { ACKTOR_GROUP: group } = config;
    const limits = link.info().limits;
    // A connected broker tells whether it has groups; without a group the filters are wanted before the connection.
    if (group !== null && limits === null) return;
    const choice = chooseFilters(arrivingFilters(config), group, limits?.sharedSubscriptions ?? false);
    if (choice.groupRefused && !this.#isWarned) {
      this.#isWarned = true;
      // RECEIVER-2
      logger.warn({ group }, "this broker has no shared subscriptions: every acker of the group gets every message");
    }
    const next = choice.filters.map((filter) => this.#ungrouped.get(filter) ?? filter);
    for (const filter of this.#wanted.filter((known) => !next.includes(known))) link.unsubscribe(filter);
    for (const filter of next.filter((one) => !this.#wanted.includes(one))) {
      const isGrouped = choice.filters.includes(filter) && filter.startsWith("$share/");
      link.subscribe({ filter, qos: 1, need: isGrouped ? "optional" : "one_of" });
    }
    this.#wanted = next;
  }

  /** RECEIVER-3. @param code null: a late SUBACK, or before the connection a filter at which the broker closes */
  #refused(filter: string | null, code: number | null): void {
    const { ACKTOR_GROUP: group } = this.#parts.config;
    if (filter === null || group === null || !this.#wanted.includes(filter)) return;
    const before = `$share/${group}/`;
    if (!filter.startsWith(before)) return;
    this.#ungrouped.set(filter, filter.slice(before.length));
    if (code === null && this.#isConnected()) this.#late.add(filter);
    this.#subscribe();
  }

  #unsubscribe(): void {
    for (const filter of this.#wanted) this.#parts.link.unsubscribe(filter);
    this.#wanted = [];
  }

  #announce(): void {
    this.#owesBirth = false;
    clearTimeout(this.#renewal);
    // RECEIVER-4
    const renew = (): void => {
      if (this.actor.getSnapshot().matches("LISTENING")) this.#announce();
    };
    this.#renewal = setTimeout(renew, birthRenewalMs(this.#parts.random)).unref();
    if (!this.#isConnected()) return;
    this.#announcer.announce((isDone) => {
      this.#owesBirth = !isDone;
    });
  }

  #withdraw(): void {
    this.#owesBirth = false;
    if (this.#isConnected()) void this.#announcer.withdraw(WITHDRAW_TIMEOUT_MS);
  }
}
