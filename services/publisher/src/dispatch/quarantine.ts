/**
 * Finds messages that a broker answers by closing the connection, and lets everything else go first. A broker answers in
 * order: of what was in flight without PUBACK when it closed, the first is the suspect, and with it what resembles it: the
 * same topic, topics under the same parent level, topics as deep, as far as none of these ever got a PUBACK.
 *
 * Invariants:
 *  QUARANTINE-1. A suspect is sent alone: without another PUBLISH that waits for its PUBACK. So a conviction never hits
 *                another row.
 *  QUARANTINE-2. Suspects wait for their turn, which is `SOON_MS` after a closed connection, and `SLOT_MS` after the third one
 *                of a minute: at most eight connections a minute end by them.
 *  QUARANTINE-3. What is remembered is bounded.
 *  QUARANTINE-4. A PUBACK clears the message, its topic, and what was suspected only for resembling it.
 */
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";

/** Ends alone, in a row, that convict; fewer where the broker gave a reason, and one under a convicted parent. */
const CONVICTED_AFTER = 3;
const CONVICTED_WITH_REASON = 2;
/** In flight at so many ends without being the first: the broker does not answer in order. */
const ALONE_AFTER = 3;
/** On a topic that got PUBACKs: its content may be the cause. */
const PROVEN_ALONE_AFTER = 9;
/** A broker that refuses a message closes the connection immediately; a later end is the network's. */
const PROMPT_MS = 1_000;
/** Long enough for the lost innocent ones to be sent again first. */
const SOON_MS = 4_000;
const SLOT_MS = 12_000;
const MINUTE_MS = 60_000;
const QUICK_ENDS = 3;
const MAX_REMEMBERED = 10_000;
const MAX_SHOWN = 5;
/** Before the first PUBACK: AWS IoT, the strictest that is known, takes seven slashes. */
const DEEPEST_ANYWHERE = 8;

/** Reasons of a DISCONNECT that concern the connection or the broker, not a message. */
const NOT_THE_MESSAGE: ReadonlySet<number> = new Set([
  0x00, 0x88, 0x89, 0x8b, 0x8d, 0x8e, 0x96, 0x97, 0x98, 0x9c, 0x9d, 0xa0,
]);

/** The attempts in flight; SENT is one without PUBACK. */
interface UnderWay {
  values(): Iterable<{ readonly state: string; readonly message: { readonly messageId: string } }>;
}

interface Message {
  readonly messageId: string;
  readonly topic: string;
}

/** One PUBLISH that was lost with its connection. */
export interface LostWith {
  readonly message: Message;
  readonly sinceSentMs: number;
  /** Milliseconds within which an answer was due. */
  readonly expectedMs: number;
  /** The same object for all that was lost with one connection. */
  readonly cause: FailureInput | undefined;
}

export type Plan = { readonly kind: "send" | "hold" } | { readonly kind: "later"; readonly inMs: number };
/** `ours`: a message of ours ended the connection; neither broker nor line is in trouble. */
export interface Verdict {
  readonly convicted: boolean;
  readonly ours: boolean;
}

export interface HangUps {
  /** Messages suspected or convicted. */
  readonly count: number;
  readonly topics: readonly string[];
}

interface Suspect {
  readonly topic: string;
  /** Ends at which it was in flight, and of these as the first, and alone. */
  readonly ends: number;
  readonly first: number;
  readonly alone: number;
}

const SEND: Plan = { kind: "send" };
const HOLD: Plan = { kind: "hold" };
const INNOCENT: Verdict = { convicted: false, ours: false };

export class Quarantine {
  readonly #suspects = new Map<string, Suspect>();
  /** Topics and parents that resemble a suspect. True: one of them was convicted. */
  readonly #like = new Map<string, boolean>();
  readonly #passedTopics = new Set<string>();
  readonly #passedParents = new Set<string>();
  #deepestPassed = 0;
  /** Topics with so many levels resemble a suspect. */
  #tooDeep = Number.POSITIVE_INFINITY;
  #deepConvicted = false;
  /** Ends of connections by suspects in the last minute, monotonic milliseconds. */
  #ends: number[] = [];
  #turnAt = Number.NEGATIVE_INFINITY;
  #cause: FailureInput | undefined;
  /** The suspect that is in flight alone. Written by `plan`, `lost` and `passed`. */
  #alone: string | null = null;
  readonly #convicted = new Map<string, string>();

  /** Whether this message may be sent now, must wait for what is in flight, or comes later. */
  plan(message: Message, now: number, inFlight: UnderWay): Plan {
    if (this.#suspects.size === 0 && this.#like.size === 0) return SEND;
    if (this.#goesAlone(message)) {
      // QUARANTINE-2
      if (now < this.#turnAt) return { kind: "later", inMs: this.#turnAt - now };
      // QUARANTINE-1
      if (hasUnanswered(inFlight)) return this.#alone === null ? HOLD : { kind: "later", inMs: SOON_MS };
      this.#alone = message.messageId;
      return SEND;
    }
    if (this.#alone !== null && hasUnanswered(inFlight)) return HOLD;
    // Many ends, and nothing that resembles them: only what is proven goes freely.
    const isRisky = this.#ends.length > QUICK_ENDS && !this.#passedTopics.has(message.topic);
    return isRisky && now < this.#turnAt ? { kind: "later", inMs: this.#turnAt - now } : SEND;
  }

  /** A PUBLISH was lost with its connection. To be called in the order in which they were sent. */
  lost({ message, sinceSentMs, expectedMs, cause }: LostWith, now: number): Verdict {
    const isPrompt = sinceSentMs <= Math.max(PROMPT_MS, 2 * expectedMs);
    if (!isPrompt || !isHangUp(cause)) return INNOCENT;
    const isFirst = cause === undefined || cause !== this.#cause;
    this.#cause = cause;
    const wasAlone = this.#alone === message.messageId;
    if (isFirst) this.#ended(now);
    const { ends = 0, first = 0, alone = 0 } = this.#suspects.get(message.messageId) ?? {};
    const suspect: Suspect = {
      topic: message.topic,
      ends: ends + 1,
      first: first + (isFirst ? 1 : 0),
      alone: alone + (wasAlone ? 1 : 0),
    };
    if (wasAlone && suspect.alone >= this.#enoughFor(message.topic, cause)) return this.#convict(message);
    remember(this.#suspects, message.messageId, suspect);
    if (isFirst) this.#suspectAlike(message.topic);
    return { convicted: false, ours: wasAlone || this.#ends.length <= QUICK_ENDS };
  }

  /** The broker answered: the row is not the cause. QUARANTINE-4 */
  passed({ messageId, topic }: Message): void {
    if (this.#alone === messageId) this.#alone = null;
    if (this.#suspects.size > 0) this.#suspects.delete(messageId);
    if (this.#passedTopics.has(topic)) return;
    if (this.#passedTopics.size >= MAX_REMEMBERED) {
      // QUARANTINE-3
      this.#passedTopics.clear();
      this.#passedParents.clear();
    }
    const parent = parentOf(topic);
    const levels = levelsOf(topic);
    this.#passedTopics.add(topic);
    this.#passedParents.add(parent);
    this.#deepestPassed = Math.max(this.#deepestPassed, levels);
    this.#like.delete(topic);
    if (this.#like.get(parent) === false) this.#like.delete(parent);
    if (levels >= this.#tooDeep) [this.#tooDeep, this.#deepConvicted] = [Number.POSITIVE_INFINITY, false];
  }

  /** What people look at; null: no message is suspected or was convicted. */
  hangUps(): HangUps | null {
    const topics = [...this.#suspects.values()].filter(({ first }) => first > 0).map(({ topic }) => topic);
    topics.push(...this.#convicted.values());
    if (topics.length === 0) return null;
    return { count: topics.length, topics: [...new Set(topics)].slice(0, MAX_SHOWN) };
  }

  #goesAlone({ messageId, topic }: Message): boolean {
    const suspect = this.#suspects.get(messageId);
    const isProven = this.#passedTopics.has(topic);
    const enough = isProven ? PROVEN_ALONE_AFTER : ALONE_AFTER;
    if (suspect !== undefined && (suspect.first > 0 || suspect.ends >= enough)) return true;
    if (isProven) return false;
    return this.#like.has(topic) || this.#like.has(parentOf(topic)) || levelsOf(topic) >= this.#tooDeep;
  }

  #suspectAlike(topic: string): void {
    if (this.#passedTopics.has(topic)) return;
    const parent = parentOf(topic);
    if (!this.#like.has(topic)) remember(this.#like, topic, false);
    if (!this.#passedParents.has(parent) && !this.#like.has(parent)) remember(this.#like, parent, false);
    const levels = levelsOf(topic);
    const deepest = this.#deepestPassed > 0 ? this.#deepestPassed : DEEPEST_ANYWHERE;
    if (levels > deepest) this.#tooDeep = Math.min(this.#tooDeep, levels);
  }

  #enoughFor(topic: string, cause: FailureInput | undefined): number {
    const isDeep = this.#deepConvicted && levelsOf(topic) >= this.#tooDeep;
    if (isDeep || this.#like.get(parentOf(topic)) === true) return 1;
    return cause?.kind === "disconnect" ? CONVICTED_WITH_REASON : CONVICTED_AFTER;
  }

  #convict({ messageId, topic }: Message): Verdict {
    this.#suspects.delete(messageId);
    remember(this.#convicted, messageId, topic);
    if (!this.#passedParents.has(parentOf(topic))) remember(this.#like, parentOf(topic), true);
    if (levelsOf(topic) >= this.#tooDeep) this.#deepConvicted = true;
    return { convicted: true, ours: true };
  }

  #ended(now: number): void {
    this.#alone = null;
    this.#ends = this.#ends.filter((at) => now - at < MINUTE_MS);
    this.#ends.push(now);
    this.#turnAt = now + (this.#ends.length < QUICK_ENDS ? SOON_MS : SLOT_MS);
  }
}

/** Without a cause, as after a test's own end, it counts as one. */
function isHangUp(cause: FailureInput | undefined): boolean {
  if (cause === undefined || cause.kind === "closed" || cause.kind === "error") return true;
  return cause.kind === "disconnect" && !NOT_THE_MESSAGE.has(cause.code);
}

function hasUnanswered(inFlight: UnderWay): boolean {
  for (const { state } of inFlight.values()) if (state === "SENT") return true;
  return false;
}

/** A topic of one level stands for what is under it. */
function parentOf(topic: string): string {
  const end = topic.lastIndexOf("/");
  return `${end < 0 ? topic : topic.slice(0, end)}/`;
}

function levelsOf(topic: string): number {
  return topic.split("/").length;
}

/** QUARANTINE-3 */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MAX_REMEMBERED) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}
