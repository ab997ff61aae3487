/**
 * A link: the machine that decides, the transport that carries, the gate of the breaker, and the listeners, joined (S9).
 *
 * Invariants:
 *  1. Every `publish` gets exactly one outcome. No message goes through the machine's event queue, in or out.
 *  2. A listener, or an `onOutcome`, that throws hurts nobody else.
 *  3. After `stop` resolved there is no client, timer or socket; stopped twice, or before it was ever connected, as well.
 *  4. Credentials are in no fact, no reason and no info.
 */
import { type Actor, createActor, fromCallback } from "xstate";
import { type MqttTransport, openTransport } from "../mqtt/mqtt-transport.ts";
import type { OutstandingPublish } from "../mqtt/outstanding.ts";
import type { TransportHandlers, UnsentReason } from "../mqtt/transport-options.ts";
import { classifyFailure, remedyFor } from "./classify-failure.ts";
import type {
  CommandResult,
  IncomingMessage,
  Link,
  LinkEvents,
  LinkInfo,
  OutgoingPublish,
  PublishOutcome,
  Subscription,
} from "./link.ts";
import type { LinkContext, LinkFact, OperatorEvent, SessionEvent, SessionInput } from "./link-context.ts";
import { linkMachine } from "./link-machine.ts";
import { type LinkOptions, type ResolvedLinkOptions, resolveLinkOptions } from "./link-options.ts";
import { LinkStats, nextAttemptAt } from "./link-stats.ts";
import { Listeners } from "./listeners.ts";
import { PublishGate } from "./publish-gate.ts";

const STOPPED: CommandResult = { ok: false, reason: "the link is stopped" };

/** Makes a link, DISCONNECTED. Throws on a URL that is none. */
export function createLink(options: LinkOptions): Link {
  return new MachineLink(resolveLinkOptions(options), options);
}

class MachineLink implements Link {
  readonly #options: ResolvedLinkOptions;
  readonly #stats = new LinkStats();
  readonly #listeners: Listeners<LinkEvents>;
  readonly #gate: PublishGate;
  readonly #actor: Actor<typeof linkMachine>;
  readonly #wanted = new Map<string, Subscription>();
  readonly #closing = new Set<Promise<void>>();
  #transport: MqttTransport | null = null;
  /** The session is being ended by us: what is lost with it counts against nobody. */
  #isLeaving = false;
  /** `capacity` was found to be 0: somebody waits for `link.writable`. */
  #isAwaited = false;
  #stopping: Promise<void> | null = null;

  constructor(options: ResolvedLinkOptions, { inspect, onActor }: Pick<LinkOptions, "inspect" | "onActor">) {
    this.#options = options;
    this.#listeners = new Listeners(options.onListenerError);
    this.#gate = new PublishGate(options.policy.breaker, {
      tripped: (by) => this.#actor.send({ type: "breaker.tripped", by }),
      proved: () => this.#actor.send({ type: "breaker.proved" }),
      relapsed: (by) => this.#actor.send({ type: "breaker.relapsed", by }),
    });
    const { policy, address, clientId, now, random } = options;
    const session = fromCallback<{ type: string }, SessionInput>(({ input, sendBack }) =>
      this.#openSession(input, sendBack),
    );
    this.#actor = createActor(linkMachine.provide({ actors: { session } }), {
      input: { policy, broker: address.shown, clientId, now, random },
      ...(inspect === undefined ? {} : { inspect }),
    });
    this.#actor.on("*", (fact) => this.#heard(fact));
    this.#actor.subscribe({ error: (error) => options.onListenerError(error, "link machine") });
    this.#actor.start();
    onActor?.(this.#actor);
  }

  async connect(options: { readonly waitMs?: number } = {}): Promise<CommandResult> {
    const { waitMs } = options;
    const asked = this.#command({ type: "link.connect" });
    if (waitMs === undefined || this.#stopping !== null) return asked;
    if (!asked.ok && this.#context().at.connection === "ERROR") return asked;
    return (await this.#becomesConnected(waitMs))
      ? { ok: true }
      : { ok: false, reason: `not CONNECTED within ${waitMs} ms; the link is ${this.#context().at.connection}` };
  }

  async disconnect(): Promise<CommandResult> {
    const result = this.#command({ type: "link.disconnect" });
    await Promise.all(this.#closing);
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
    const capacity = Math.min(this.#transport?.capacity() ?? 0, this.#gate.admits());
    if (capacity === 0) this.#isAwaited = true;
    return capacity;
  }

  publish(message: OutgoingPublish, onOutcome: (outcome: PublishOutcome) => void): void {
    const why = this.#take(message, onOutcome);
    if (why === null) {
      this.#stats.messagesSent++;
      return;
    }
    if (why === "window_full" || why === "breaker_open") this.#isAwaited = true;
    this.#listeners.guard("publish outcome", onOutcome, { kind: "unsent", why });
  }

  subscribe(subscription: Subscription): void {
    const known = this.#wanted.get(subscription.filter);
    if (known?.qos === subscription.qos) return;
    this.#wanted.set(subscription.filter, subscription);
    this.#transport?.subscribe([subscription]);
  }

  unsubscribe(filter: string): void {
    if (this.#wanted.delete(filter)) this.#transport?.unsubscribe(filter);
  }

  on<K extends keyof LinkEvents>(event: K, listener: (fact: LinkEvents[K]) => void): () => void {
    return this.#listeners.on(event, listener);
  }

  info(): LinkInfo {
    const context = this.#context();
    const { at, version, attempt, limits } = context;
    const { connectedAt, disconnectedAt, lastError } = this.#stats;
    const isConnected = at.connection === "CONNECTED";
    return {
      state: at.connection,
      breaker: at.breaker,
      broker: context.broker,
      clientId: context.clientId,
      protocolVersion: isConnected ? version.speak : null,
      uptimeMs: isConnected && connectedAt !== null ? Date.now() - connectedAt : null,
      connectedAt,
      disconnectedAt,
      lastActivityAt: this.#lastActivityAt(),
      lastError,
      retryCount: attempt,
      nextAttemptAt: nextAttemptAt(context),
      inFlight: this.#transport?.inFlight ?? 0,
      stats: this.#stats.read(),
      limits: isConnected ? limits : null,
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#actor.send({ type: "link.disconnect" });
    this.#actor.stop();
    await Promise.all(this.#closing);
    this.#listeners.clear();
  }

  #take(message: OutgoingPublish, onOutcome: (outcome: PublishOutcome) => void): UnsentReason | null {
    const transport = this.#transport;
    if (transport === null || !transport.isReady) return "not_connected";
    if (this.#gate.admits() <= 0) return "breaker_open";
    const why = transport.publish(message, this.#gate.tag, onOutcome);
    if (why === null) this.#gate.take();
    return why;
  }

  #command(event: OperatorEvent): CommandResult {
    if (this.#stopping !== null) return STOPPED;
    const snapshot = this.#actor.getSnapshot();
    if (!snapshot.can(event)) {
      const { connection, breaker } = snapshot.context.at;
      return { ok: false, reason: `${event.type} is not possible: the link is ${connection}, its breaker ${breaker}` };
    }
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

  #openSession(input: SessionInput, tell: (event: SessionEvent) => void): () => void {
    const { policy, will, ...rest } = this.#options;
    this.#stats.connectionAttempts++;
    this.#isLeaving = false;
    const transport = openTransport(
      {
        ...rest,
        protocolVersion: input.protocolVersion,
        connectTimeoutMs: policy.connectTimeoutMs,
        will: will(),
        subscriptions: () => [...this.#wanted.values()],
      },
      this.#handlers(tell),
    );
    this.#transport = transport;
    return () => this.#closeSession(transport);
  }

  #closeSession(transport: MqttTransport): void {
    this.#isLeaving = true;
    this.#noteActivity(transport);
    if (this.#transport === transport) this.#transport = null;
    const closing = transport.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #handlers(tell: (event: SessionEvent) => void): TransportHandlers {
    return {
      ready: (limits) => tell({ type: "session.connected", limits }),
      ended: (input) => tell({ type: "session.ended", failure: classifyFailure(input), remedy: remedyFor(input) }),
      message: (message) => this.#received(message),
      settled: (entry, outcome, at) => this.#settled(entry, outcome, at),
      turn: () => this.#checkWritable(),
    };
  }

  #received(message: IncomingMessage): void {
    this.#stats.messagesReceived++;
    this.#listeners.tell("link.message", message);
  }

  #settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void {
    this.#gate.settled(entry.tag, entry.qos, outcome, entry.sentAt, at, this.#isLeaving);
    this.#stats.publishEnded(outcome);
    this.#listeners.guard("publish outcome", entry.onOutcome, outcome);
  }

  #checkWritable(): void {
    if (!this.#isAwaited || this.capacity() === 0) return;
    this.#isAwaited = false;
    this.#listeners.tell("link.writable", {});
  }

  #heard(heard: LinkFact): void {
    if (heard.type === "link.transition" && heard.fact.region === "breaker")
      this.#gate.moved(this.#context().at.breaker);
    this.#stats.heard(heard);
    this.#listeners.tell(heard.type, heard.fact);
    if (heard.type !== "link.transition") return;
    // A move of either region may have made room.
    this.#isAwaited = true;
    this.#checkWritable();
  }

  #lastActivityAt(): number | null {
    if (this.#transport !== null) this.#noteActivity(this.#transport);
    return this.#stats.lastActivityAt;
  }

  #noteActivity(transport: MqttTransport): void {
    this.#stats.lastActivityAt = Math.round(Date.now() - (this.#options.now() - transport.activeAt));
  }

  #context(): LinkContext {
    return this.#actor.getSnapshot().context;
  }
}
