/** Joins the receiver machine with the link, the intake and the presence of one acker. */
import type { IncomingMessage, Link } from "@acktor/shared/link/link";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import type { Logger } from "@acktor/shared/runtime/logger";
import { type AnyActor, createActor } from "xstate";
import { chooseFilters } from "./choose-filters.ts";
import type { Intake } from "./intake.ts";
import { announcePresence, clearPresence, type PresenceOptions } from "./presence.ts";
import { receiverMachine } from "./receiver-machine.ts";

export interface ReceiverOptions {
  readonly link: Link;
  readonly intake: Intake;
  readonly topics: readonly string[];
  readonly group: string | null;
  readonly presence: PresenceOptions;
  readonly logger: Logger;
  /** Catches what listeners throw at what strangers send. */
  readonly guard: ListenerGuard;
  /** Takes the actor once it has started. */
  readonly onActor?: (actor: AnyActor) => void;
}

export interface Receiver {
  /** Messages come in again, or not; what was taken is worked on. */
  resume(): void;
  pause(): void;
  /** Takes nothing more from now on. */
  drain(): void;
  /** The database was away and is back. */
  databaseReturned(): void;
  /** Ends the actor. Presence is cleared before, by `clear`. Twice is fine. */
  stop(): void;
  /** Clears the retained presence; at most `timeoutMs`. */
  clear(timeoutMs: number): Promise<void>;
  state(): string;
}

const WITHDRAW_TIMEOUT_MS = 1_000;

/** Starts LISTENING. The link may be connected or not. */
export function startReceiver(options: ReceiverOptions): Receiver {
  const { link, intake, topics, group, presence, logger, guard } = options;
  let wanted: readonly string[] = [];
  let warned = false;
  /** The broker or the breaker did not take the birth; it is said when the link takes publishes again. */
  let birthOwed = false;

  function subscribe(): void {
    const limits = link.info().limits;
    // Whether the broker has groups is known once it is connected; without a group the filters are wanted before.
    if (group !== null && limits === null) return;
    const choice = chooseFilters(topics, group, limits?.sharedSubscriptions ?? false);
    if (choice.groupRefused && !warned) {
      warned = true;
      logger.warn({ group }, "this broker has no shared subscriptions: every acker of the group gets every message");
    }
    for (const filter of wanted.filter((known) => !choice.filters.includes(known))) link.unsubscribe(filter);
    for (const filter of choice.filters.filter((next) => !wanted.includes(next))) link.subscribe({ filter, qos: 1 });
    wanted = choice.filters;
  }

  function unsubscribe(): void {
    for (const filter of wanted) link.unsubscribe(filter);
    wanted = [];
  }

  const isConnected = (): boolean => link.info().state === "CONNECTED";

  function announce(): void {
    birthOwed = false;
    if (!isConnected()) return;
    announcePresence(link, presence, (said) => {
      birthOwed = !said;
    });
  }

  const actor = createActor(
    receiverMachine.provide({
      actions: {
        openIntake: () => intake.open(),
        closeIntake: () => intake.close(),
        subscribe,
        unsubscribe,
        announce,
        withdraw: () => {
          birthOwed = false;
          if (isConnected()) void clearPresence(link, presence, WITHDRAW_TIMEOUT_MS);
        },
      },
    }),
  );
  actor.subscribe({ error: (error) => logger.error({ err: error }, "the receiver ended by an error") });
  const subscriptions = [
    link.on(
      "link.message",
      guard.wrap("link.message", (message: IncomingMessage) => intake.receive(message)),
    ),
    link.on("link.connected", () => actor.send({ type: "link.opened" })),
    link.on("link.writable", () => {
      if (birthOwed && actor.getSnapshot().matches("LISTENING")) announce();
    }),
  ];
  actor.start();
  options.onActor?.(actor);

  return {
    resume: () => actor.send({ type: "receiver.resume" }),
    pause: () => actor.send({ type: "receiver.pause" }),
    drain: () => actor.send({ type: "receiver.drain" }),
    databaseReturned: () => actor.send({ type: "database.returned" }),
    clear: (timeoutMs) => (isConnected() ? clearPresence(link, presence, timeoutMs) : Promise.resolve()),
    stop() {
      for (const unlisten of subscriptions.splice(0)) unlisten();
      actor.send({ type: "receiver.drained" });
      actor.stop();
    },
    state: () => String(actor.getSnapshot().value),
  };
}
