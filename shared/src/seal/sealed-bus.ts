/**
 * A bus on which every text carries a seal (seal.ts): a stranger's message is counted and not passed on.
 *
 * Invariants:
 *  SEALED-1. A listener receives only texts that the fleet's key sealed for this subject within the permitted clock
 *            difference; a listener with `unsealed` receives everything, and must not trust it.
 *  SEALED-2. A listener with `once` receives no text twice, and none from before this process started: both are refused.
 *  SEALED-3. Of the answers to a request only those count that the key sealed for it. Other texts in the inbox end no
 *            request: a stranger can neither answer for an instance, nor suppress its answer by being first.
 *  SEALED-4. A refusal quotes nothing of the message. The log has one line a minute for each kind, and at most
 *            `REFUSALS_PER_SECOND` are answered; the others are counted.
 */
import { type KeyObject, randomBytes } from "node:crypto";
import type {
  Bus,
  BusCounts,
  BusListener,
  BusMessage,
  BusReply,
  GatherOptions,
  ReplyJudge,
  SealRefusal,
  StatusListener,
  SubscribeOptions,
} from "../bus/bus.ts";
import { Budget } from "../runtime/budget.ts";
import type { Clock } from "../runtime/clock.ts";
import { LogThrottle } from "../runtime/log-throttle.ts";
import type { Logger } from "../runtime/logger.ts";
import { NonceMemory } from "./nonce-memory.ts";
import { open, openAnswer, SEAL_WINDOW_MS, seal, sealAnswer } from "./seal.ts";

export interface SealedBusOptions {
  readonly key: KeyObject;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** 150 commands a second for a minute; an operator sends a few a day. */
export const MOST_NONCES = 10_000;

const REFUSALS_PER_SECOND = 100;

export class SealedBus implements Bus {
  readonly kind: Bus["kind"];
  readonly #bus: Bus;
  readonly #options: SealedBusOptions;
  readonly #nonces = new NonceMemory(2 * SEAL_WINDOW_MS, MOST_NONCES);
  readonly #throttle: LogThrottle;
  readonly #refusals: Budget;
  readonly #startedAt: number;
  #refused = 0;

  /** @param bus stops with this one */
  constructor(bus: Bus, options: SealedBusOptions) {
    this.kind = bus.kind;
    this.#bus = bus;
    this.#options = options;
    this.#throttle = new LogThrottle(options.clock);
    this.#refusals = new Budget(REFUSALS_PER_SECOND, REFUSALS_PER_SECOND, options.clock.now());
    this.#startedAt = options.clock.wallClock();
  }

  get connected(): boolean {
    return this.#bus.connected;
  }

  get counts(): Readonly<BusCounts> {
    const { dropped, listenerErrors, refused } = this.#bus.counts;
    return { dropped, listenerErrors, refused: refused + this.#refused };
  }

  publish(subject: string, text: string): boolean {
    return this.#bus.publish(subject, this.#seal(subject, text, newNonce()));
  }

  subscribe(subject: string, listener: BusListener, options: SubscribeOptions = {}): () => void {
    if (options.unsealed === true) return this.#bus.subscribe(subject, listener, options);
    return this.#bus.subscribe(subject, (message) => this.#hear(message, listener, options), options);
  }

  async request(subject: string, text: string, deadlineMs: number): Promise<BusReply> {
    const nonce = newNonce();
    let body: string | null = null;
    let unproven: string | null = null;
    const accept: ReplyJudge = (reply) => {
      body = openAnswer(this.#options.key, subject, nonce, reply);
      if (body === null) unproven = reply; // SEALED-3
      return body !== null;
    };
    const reply = await this.#bus.request(subject, this.#seal(subject, text, nonce), deadlineMs, accept);
    if (reply.ok) return body === null ? { ok: false, kind: "deadline" } : { ok: true, text: body };
    return reply.kind === "deadline" && unproven !== null ? { ok: false, kind: "unproven", text: unproven } : reply;
  }

  async requestMany(subject: string, text: string, options: GatherOptions): Promise<string[]> {
    const nonce = newNonce();
    const bodies: string[] = [];
    const accept: ReplyJudge = (reply) => {
      const body = openAnswer(this.#options.key, subject, nonce, reply);
      if (body === null || options.accept?.(body) === false) return false;
      bodies.push(body);
      return true;
    };
    await this.#bus.requestMany(subject, this.#seal(subject, text, nonce), { ...options, accept });
    return bodies;
  }

  onStatus(listener: StatusListener): () => void {
    return this.#bus.onStatus(listener);
  }

  stop(): Promise<void> {
    return this.#bus.stop();
  }

  #hear(message: BusMessage, listener: BusListener, options: SubscribeOptions): unknown {
    const { subject, text } = message;
    const opened = open(this.#options.key, subject, text, this.#options.clock.wallClock());
    if (!opened.ok) return this.#refuse(message, opened.why, options); // SEALED-1
    const { body, nonce } = opened;
    const again = options.once === true ? this.#secondTime(opened.time, nonce) : null;
    if (again !== null) return this.#refuse(message, again, options);
    return listener({ subject, text: body, nonce, respond: (reply) => this.#answer(message, nonce, reply) });
  }

  #secondTime(time: number, nonce: string): SealRefusal | null {
    if (time < this.#startedAt) return EARLY; // SEALED-2
    const admitted = this.#nonces.admit(nonce, this.#options.clock.now());
    if (admitted === "new") return null;
    return admitted === "used" ? REPLAYED : FULL;
  }

  /**
   * A refusal is not sealed: sealed for the nonce of a message that a stranger repeats, it would count as this instance's
   * answer to the honest request, and would arrive before the true one.
   */
  #refuse(message: BusMessage, why: SealRefusal, options: SubscribeOptions): unknown {
    this.#refused++; // SEALED-4
    const { kind, reason } = why;
    const unsaid = this.#throttle.admit(kind);
    if (unsaid !== null) this.#options.logger.warn({ kind, why: reason, unsaid }, "a message of the bus was refused");
    if (options.refused === undefined || !this.#refusals.admit(1, this.#options.clock.now())) return undefined;
    const { subject } = message;
    const respond = (reply: string): void => this.#answer(message, null, reply);
    return options.refused({ subject, text: "", nonce: null, respond }, why);
  }

  /** @param nonce of the request; null: its sender does not have our key and could not open a sealed answer */
  #answer(message: BusMessage, nonce: string | null, reply: string): void {
    const { key, clock } = this.#options;
    message.respond(nonce === null ? reply : sealAnswer(key, message.subject, reply, clock.wallClock(), nonce));
  }

  #seal(subject: string, text: string, nonce: string): string {
    const { key, clock } = this.#options;
    return seal(key, subject, text, clock.wallClock(), nonce);
  }
}

const EARLY: SealRefusal = { kind: "early", reason: "it was signed before this process started: sign it again" };
const REPLAYED: SealRefusal = { kind: "replayed", reason: "its nonce was used before: sign it again with a new one" };
const FULL: SealRefusal = { kind: "full", reason: "too many signed messages in a minute: try again in a minute" };

function newNonce(): string {
  return randomBytes(16).toString("hex");
}
