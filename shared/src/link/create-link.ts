/**
 * A link: the machine that decides, the hot path (link-traffic.ts), the statistics and the listeners.
 *
 * Invariants:
 *  LINK-1. Every `publish` gets exactly one outcome.
 *  LINK-2. A listener or an `onOutcome` that throws affects neither the other listeners nor the link.
 *  LINK-3. After `stop` resolved there is no client, timer or socket; also when stopped twice or before the first connect.
 *  LINK-4. Credentials are in no fact, no reason and no info.
 */
import { type Actor, createActor, fromCallback } from "xstate";
import { MQTT } from "../mqtt/mqtt-transport.ts";
import type { OnOutcome } from "../mqtt/outstanding.ts";
import type { Transports } from "../mqtt/transport.ts";
import { Lifecycle } from "../runtime/lifecycle.ts";
import type { CommandResult, Link, LinkEvents, LinkInfo, LinkPace, OutgoingPublish, Subscription } from "./link.ts";
import type { LinkContext, LinkFact, OperatorEvent, SessionInput } from "./link-context.ts";
import { linkMachine } from "./link-machine.ts";
import { type LinkOptions, type ResolvedLinkOptions, resolveLinkOptions } from "./link-options.ts";
import { LinkStats, nextAttemptAt } from "./link-stats.ts";
import { LinkTraffic } from "./link-traffic.ts";
import { Listeners } from "./listeners.ts";
import type { GateSignals } from "./publish-gate.ts";

const STOPPED: CommandResult = { ok: false, reason: "the link is stopped" };

/**
 * Makes a link, DISCONNECTED. Throws on an invalid URL.
 * @param transports a simulated broker's connections, in place of MQTT
 */
export function createLink(options: LinkOptions, transports: Transports = MQTT): Link {
  return new MachineLink(resolveLinkOptions(options), transports);
}

class MachineLink implements Link {
  readonly #options: ResolvedLinkOptions;
  readonly #stats: LinkStats;
  readonly #listeners: Listeners<LinkEvents>;
  readonly #actor: Actor<typeof linkMachine>;
  readonly #traffic: LinkTraffic;
  readonly #life = new Lifecycle();

  constructor(options: ResolvedLinkOptions, transports: Transports) {
    this.#options = options;
    const { policy, address, clientId, clock, random, observer, will } = options;
    const stats = new LinkStats(clock);
    const listeners = new Listeners<LinkEvents>(observer);
    const session = fromCallback<{ type: string }, SessionInput>(({ input, sendBack }) =>
      this.#traffic.openSession(input, sendBack),
    );
    this.#actor = createActor(linkMachine.provide({ actors: { session } }), {
      input: { policy, broker: address.shown, clientId, hasWill: will !== null, clock, random },
    });
    const signals = new BreakerEvents(this.#actor);
    this.#traffic = new LinkTraffic({ options, transports, stats, listeners, signals });
    this.#stats = stats;
    this.#listeners = listeners;
    this.#actor.on("*", (fact) => this.#heard(fact));
    this.#actor.subscribe({ error: (error) => observer.listenerFailed(error, "link machine") });
    this.#life.begin();
    this.#actor.start();
    observer.machineStarted(this.#actor);
  }

  async connect(options: { readonly waitMs?: number } = {}): Promise<CommandResult> {
    const { waitMs } = options;
    const asked = this.#command({ type: "link.connect" });
    if (waitMs === undefined || this.#isStopped) return asked;
    if (!asked.ok && this.#context().at.connection === "ERROR") return asked;
    return (await this.#becomesConnected(waitMs))
      ? { ok: true }
      : { ok: false, reason: `not CONNECTED within ${waitMs} ms; the link is ${this.#context().at.connection}` };
  }

  async disconnect(): Promise<CommandResult> {
    const result = this.#command({ type: "link.disconnect" });
    await this.#traffic.closed();
    return result;
  }

  reset(): CommandResult {
    return this.#command({ type: "link.reset" });
  }

  openBreaker(): CommandResult {
    return this.#command({ type: "breaker.open" });
  }

  closeBreaker(): CommandResult {
    return this.#command({ type: "breaker.close" });
  }

  capacity(): number {
    return this.#traffic.capacity();
  }

  pace(): LinkPace {
    return this.#traffic.pace();
  }

  excuse(): void {
    this.#traffic.excuse();
  }

  publish(message: OutgoingPublish, onOutcome: OnOutcome): void {
    this.#traffic.publish(message, onOutcome); // LINK-1
  }

  subscribe(subscription: Subscription): void {
    this.#traffic.subscribe(subscription);
  }

  unsubscribe(filter: string): void {
    this.#traffic.unsubscribe(filter);
  }

  on<K extends keyof LinkEvents>(event: K, listener: (fact: LinkEvents[K]) => void): () => void {
    return this.#listeners.on(event, listener); // LINK-2
  }

  info(): LinkInfo {
    this.#traffic.noteActivity();
    const context = this.#context();
    const { at, version, attempt, limits, refused } = context;
    const { connectedAt, disconnectedAt, lastActivityAt, lastError } = this.#stats;
    const isConnected = at.connection === "CONNECTED";
    return {
      state: at.connection,
      breaker: at.breaker,
      // LINK-4: the address without credentials.
      broker: context.broker,
      clientId: context.clientId,
      protocolVersion: isConnected ? version.speak : null,
      uptimeMs: isConnected && connectedAt !== null ? this.#options.clock.wallClock() - connectedAt : null,
      connectedAt,
      disconnectedAt,
      lastActivityAt,
      lastError,
      retryCount: attempt,
      nextAttemptAt: nextAttemptAt(context),
      inFlight: this.#traffic.inFlight,
      stats: this.#stats.read(),
      quota: this.#traffic.quota,
      limits: isConnected ? limits : null,
      refused: isConnected ? refused : [],
    };
  }

  /** LINK-3 */
  stop(): Promise<void> {
    return this.#life.stop(async () => {
      this.#actor.send({ type: "link.disconnect" });
      this.#actor.stop();
      await this.#traffic.closed();
      this.#listeners.clear();
    });
  }

  get #isStopped(): boolean {
    return this.#life.state !== "RUNNING";
  }

  #command(event: OperatorEvent): CommandResult {
    if (this.#isStopped) return STOPPED;
    const snapshot = this.#actor.getSnapshot();
    if (!snapshot.can(event)) {
      const { connection, breaker } = snapshot.context.at;
      return { ok: false, reason: `${event.type} is not possible: the link is ${connection}, its breaker ${breaker}` };
    }
    if (event.type === "link.reset" || event.type === "link.connect") this.#traffic.startAfresh();
    this.#actor.send(event);
    return { ok: true };
  }

  #becomesConnected(waitMs: number): Promise<boolean> {
    if (this.#context().at.connection === "CONNECTED") return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (connected: boolean): void => {
        clearTimeout(timer);
        off();
        resolve(connected);
      };
      const timer = setTimeout(() => done(false), waitMs);
      const off = this.on("link.transition", ({ region, to }) => {
        if (region !== "connection") return;
        if (to === "CONNECTED") done(true);
        else if (to === "DISCONNECTED") done(false);
      });
    });
  }

  #heard(heard: LinkFact): void {
    if (heard.type === "link.transition" && heard.fact.region === "breaker") {
      this.#traffic.breakerMoved(this.#context().at.breaker);
    }
    this.#stats.heard(heard);
    this.#listeners.emit(heard.type, heard.fact);
    if (heard.type === "link.transition") this.#traffic.regionMoved();
  }

  #context(): LinkContext {
    return this.#actor.getSnapshot().context;
  }
}

/** The gate's signals as events of the machine. */
class BreakerEvents implements GateSignals {
  readonly #actor: Actor<typeof linkMachine>;

  constructor(actor: Actor<typeof linkMachine>) {
    this.#actor = actor;
  }

  tripped(by: "connect" | "publish"): void {
    this.#actor.send({ type: "breaker.tripped", by });
  }

  proved(): void {
    this.#actor.send({ type: "breaker.proved" });
  }

  relapsed(by: "connect" | "publish"): void {
    this.#actor.send({ type: "breaker.relapsed", by });
  }
}
