/**
 * The hot path of a link: publishes, messages and the one live session. The machine decides; no message passes through its
 * event queue.
 */
import type { IncomingMessage, OutgoingPublish, PublishOutcome, Refusal, Subscription } from "../mqtt/messages.ts";
import type { OnOutcome, OutstandingPublish } from "../mqtt/outstanding.ts";
import { RoundTrip } from "../mqtt/round-trip.ts";
import type { Transport, Transports, UnsentReason } from "../mqtt/transport.ts";
import type { Credentials } from "./credentials.ts";
import type { BreakerState, LinkEvents, LinkPace } from "./link.ts";
import type { SessionEvent, SessionInput } from "./link-context.ts";
import type { ResolvedLinkOptions } from "./link-options.ts";
import { SessionReporter } from "./link-session.ts";
import type { LinkStats } from "./link-stats.ts";
import type { Listeners } from "./listeners.ts";
import { LiveSession } from "./live-session.ts";
import { type GateSignals, PublishGate } from "./publish-gate.ts";
import { PublishPace } from "./publish-pace.ts";
import { WantedFilters } from "./wanted-filters.ts";
import { willAs } from "./will-form.ts";

export interface TrafficParts {
  readonly options: ResolvedLinkOptions;
  readonly transports: Transports;
  readonly stats: LinkStats;
  readonly listeners: Listeners<LinkEvents>;
  readonly signals: GateSignals;
}

const TICK_MS = 100;
/** A connection lasts for this much of the time after which it counts as held, 30 s by default, before a token is renewed. */
const RENEWED_AFTER = 1.5;
/** Reason of PUBACK. */
const QUOTA_EXCEEDED = 0x97;

export class LinkTraffic {
  readonly #parts: TrafficParts;
  readonly #gate: PublishGate;
  readonly #wanted: WantedFilters;
  readonly #roundTrip = new RoundTrip();
  readonly #pace: PublishPace;
  readonly #closing = new Set<Promise<void>>();
  #transport: Transport | null = null;
  #session: LiveSession | null = null;
  /** We are ending the session: publishes that are lost with it do not count against the broker. */
  #isLeaving = false;
  /** Publishes that were lost with the connection: judged when its end may have been excused. */
  readonly #lostWith: { entry: OutstandingPublish; outcome: PublishOutcome; at: number }[] = [];
  #isExcused = false;
  #wake: NodeJS.Timeout | null = null;
  #ticking: NodeJS.Timeout | null = null;
  /** The quota that was reported; null: none. */
  #quota: number | null = null;
  /** `capacity` was 0: a caller waits for `link.writable`. */
  #isAwaited = false;

  constructor(parts: TrafficParts) {
    this.#parts = parts;
    this.#wanted = new WantedFilters(parts.options.clock);
    this.#pace = new PublishPace(parts.options);
    this.#gate = new PublishGate(parts.options.policy.breaker, parts.signals, this);
  }

  /** Milliseconds from which an answer is late now. */
  get deadlineMs(): number {
    return this.#roundTrip.deadlineMs(this.#parts.options.publishDeadlineMs);
  }

  pace(): LinkPace {
    const { smoothedMs: roundTripMs, expectedMs } = this.#roundTrip;
    return { roundTripMs, expectedMs, deadlineMs: this.deadlineMs };
  }

  /** PUBLISHes a second that the broker takes, as far as it was found to leave out others. */
  get quota(): number | null {
    return this.#quota;
  }

  get inFlight(): number {
    return this.#transport?.inFlight ?? 0;
  }

  capacity(): number {
    const unpaced =
      this.#session?.isDraining === true ? 0 : Math.min(this.#transport?.capacity() ?? 0, this.#gate.admits());
    const capacity = unpaced > 0 ? Math.min(unpaced, this.#pace.admits(this.inFlight)) : 0;
    // A caller that takes what the pace admits may not ask again.
    if (capacity === 0 || capacity < unpaced) this.#isAwaited = true;
    if (capacity === 0 && unpaced > 0) this.#wakeLater();
    return capacity;
  }

  /** LINK-1 */
  publish(message: OutgoingPublish, onOutcome: OnOutcome): void {
    const why = this.#accept(message, onOutcome);
    if (why === null) {
      this.#parts.stats.messagesSent++;
      return;
    }
    if (why === "window_full" || why === "breaker_open") this.#isAwaited = true;
    this.#parts.listeners.guard("publish outcome", onOutcome, { kind: "unsent", why });
  }

  subscribe(subscription: Subscription): void {
    if (this.#wanted.add(subscription)) this.#transport?.subscribe([subscription]);
  }

  unsubscribe(filter: string): void {
    if (this.#wanted.delete(filter)) this.#transport?.unsubscribe(filter);
  }

  /** Opens the session that the machine asks for. @returns what closes it */
  openSession(input: SessionInput, report: (event: SessionEvent) => void): () => void {
    const { options, stats } = this.#parts;
    stats.connectionAttempts++;
    this.#pace.begin();
    this.#isLeaving = false;
    this.#isExcused = false;
    for (const { filter } of this.#wanted.leftOut()) report({ type: "session.refused", refusal: closedAtOnce(filter) });
    const leastMs = RENEWED_AFTER * options.policy.heldMs;
    const parts = { source: options.credentials, clock: options.clock, random: options.random, leastMs };
    const opener = { openTransport: (credentials: Credentials) => this.#openTransport(input, credentials, report) };
    const session = new LiveSession(parts, opener, report);
    this.#session = session;
    session.begin();
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
    return () => {
      this.#stopTicking();
      const transport = session.stop();
      if (this.#session === session) this.#session = null;
      if (transport !== null) this.#closeTransport(transport);
    };
  }

  received(message: IncomingMessage): void {
    this.#parts.stats.messagesReceived++;
    this.#parts.listeners.emit("link.message", message);
  }

  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void {
    if (outcome.kind === "acked" && entry.qos > 0) this.#pace.answered(entry.sentAt);
    if (outcome.kind === "refused") this.#refusedAt(entry.sentAt, outcome.reasonCode);
    const isWithConnection = outcome.kind === "lost" && outcome.why === "disconnected";
    if (isWithConnection && !this.#isLeaving) this.#lostWith.push({ entry, outcome, at });
    else this.#gate.settled(entry.tag, entry.qos, outcome, entry.sentAt, at, this.#isLeaving);
    this.#parts.stats.publishSettled(outcome);
    this.#parts.listeners.guard("publish outcome", entry.onOutcome, outcome);
    this.#session?.settled();
  }

  #stopTicking(): void {
    if (this.#ticking !== null) clearInterval(this.#ticking);
    if (this.#wake !== null) clearTimeout(this.#wake);
    [this.#ticking, this.#wake] = [null, null];
  }

  #tick(): void {
    this.#pace.judge(this.#roundTrip.expectedMs);
    const { quota, rate } = this.#pace;
    if (quota !== null && this.#quota === null) {
      this.#quota = quota;
      this.#parts.listeners.emit("link.quota", { perSecond: quota });
    }
    if (rate === null) this.#quota = null;
  }

  /** A refusal is an answer, except for the broker's quota. */
  #refusedAt(sentAt: number, reasonCode: number): void {
    if (reasonCode === QUOTA_EXCEEDED) this.#pace.exceeded();
    else this.#pace.answered(sentAt);
  }

  /** The rate, and not the connection, is what holds a caller back. */
  #wakeLater(): void {
    const ms = this.#pace.waitMs();
    if (ms === null) return;
    this.#wake ??= setTimeout(() => {
      this.#wake = null;
      this.checkWritable();
    }, ms);
  }

  /** Emits `link.writable` where a caller waits for it and there is room. */
  checkWritable(): void {
    if (!this.#isAwaited || this.capacity() === 0) return;
    this.#isAwaited = false;
    this.#parts.listeners.emit("link.writable", {});
  }

  /** Without effect on an end that is our own. */
  excuse(): void {
    this.#isExcused = !this.#isLeaving;
  }

  /** All outcomes of the session were given. @returns whether its end was excused */
  ended(): boolean {
    const isExcused = this.#isExcused;
    this.#isExcused = false;
    for (const { entry, outcome, at } of this.#lostWith.splice(0)) {
      this.#gate.settled(entry.tag, entry.qos, outcome, entry.sentAt, at, isExcused);
    }
    return isExcused;
  }

  closedAt(unanswered: readonly string[]): void {
    this.#wanted.closedAt(unanswered);
  }

  /** An operator's command: what was left out is tried again. */
  startAfresh(): void {
    this.#wanted.restoreAll();
  }

  breakerMoved(state: BreakerState): void {
    this.#gate.moved(state);
  }

  /** One region of the machine moved, which may have made room. */
  regionMoved(): void {
    this.#isAwaited = true;
    this.checkWritable();
  }

  /** Resolves when no socket is left. LINK-3 */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  /** Writes the time of the live session's last byte into the statistics. */
  noteActivity(): void {
    if (this.#transport !== null) this.#noteActivityOf(this.#transport);
  }

  #accept(message: OutgoingPublish, onOutcome: OnOutcome): UnsentReason | null {
    const transport = this.#transport;
    if (transport === null || !transport.isReady) return "not_connected";
    if (this.#session?.isDraining === true) return "window_full";
    if (this.#gate.admits() <= 0) return "breaker_open";
    // The first window is for callers that ask for the capacity.
    if (this.#pace.rate !== null && this.#pace.admits(transport.inFlight) < 1) {
      this.#wakeLater();
      return "window_full";
    }
    const why = transport.publish(message, this.#gate.tag, onOutcome);
    if (why === null) {
      this.#gate.take();
      this.#pace.sent(message.qos > 0);
    }
    return why;
  }

  #openTransport(input: SessionInput, credentials: Credentials, report: (event: SessionEvent) => void): Transport {
    const { will, address, ...rest } = this.#parts.options;
    const transport = this.#parts.transports.open(
      {
        ...{ ...rest, ...credentials, address, protocolVersion: input.protocolVersion },
        username: credentials.username ?? address.username,
        password: credentials.password ?? (credentials.auth === null ? address.password : null),
        will: willAs(input.will, typeof will === "function" ? will() : will),
        wanted: this.#wanted.active,
        roundTrip: this.#roundTrip,
      },
      new SessionReporter(this, input.protocolVersion, report),
    );
    this.#transport = transport;
    return transport;
  }

  #closeTransport(transport: Transport): void {
    this.#isLeaving = true;
    this.#noteActivityOf(transport);
    if (this.#transport === transport) this.#transport = null;
    const closing = transport.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #noteActivityOf(transport: Transport): void {
    const { clock } = this.#parts.options;
    this.#parts.stats.lastActivityAt = Math.round(clock.wallClock() - (clock.now() - transport.activeAt));
  }
}

/** A filter that is left out because the broker closes the connection at it. */
function closedAtOnce(filter: string): Refusal {
  const reason = "the broker closes the connection at this subscription";
  return { feature: "subscription", filter, need: "optional", reason, code: null };
}
