/**
 * Finds messages that a broker answers by closing the connection, and lets everything else go first. A broker answers in
 * order: of what was in flight without PUBACK when it closed, the first is the suspect, and with it what resembles it: the
 * same topic, topics under the same parent level, topics as deep, as far as none of these ever got a PUBACK.
 *
 * A network that drops every connection looks the same, as long as nothing else passes. So ends alone convict only when a PUBACK
 * of another message came after the first of them. With nothing else to send, a suspect is convicted after `UNPROVEN_AFTER` ends
 * alone within more than `UNPROVEN_MS`: it would end five connections a minute without limit.
 *
 * Invariants:
 *  QUARANTINE-1. A suspect is sent alone: without another PUBLISH that waits for its PUBACK. So a conviction never hits
 *                another row.
 *  QUARANTINE-2. Suspects wait for their turn, which is `SOON_MS` after a closed connection, and `SLOT_MS` after the third one
 *                of a minute: at most eight connections a minute end by them.
 *  QUARANTINE-3. What is remembered is bounded, and forgotten `FORGOTTEN_MS` after it was last seen: another replica may have
 *                delivered it.
 *  QUARANTINE-4. A PUBACK clears the message, its topic, and what was suspected only for resembling it.
 *  QUARANTINE-5. While nothing else passes, no message is convicted within `UNPROVEN_MS`.
 */
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";

/** Ends alone that convict; fewer where the broker gave a reason, or what it resembles was convicted. */
const CONVICTED_AFTER = 3;
const CONVICTED_WITH_REASON = 2;
/** Ends alone that convict while nothing else passes, and the least time from the first to the last. */
const UNPROVEN_AFTER = 10;
const UNPROVEN_MS = 600_000;
const FORGOTTEN_MS = 600_000;
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
  /** When it first ended a connection alone, and PUBACKs until then. */
  readonly aloneAt: number;
  readonly aloneAfter: number;
  readonly seenAt: number;
}

/** What resembles a suspect. */
interface Alike {
  readonly convicted: boolean;
  readonly seenAt: number;
}

interface Convicted {
  readonly topic: string;
  readonly seenAt: number;
}

const SEND: Plan = { kind: "send" };
const HOLD: Plan = { kind: "hold" };
const INNOCENT: Verdict = { convicted: false, ours: false };

export class Quarantine {
  readonly #suspects = new Map<string, Suspect>();
  /** Topics and parents that resemble a suspect. */
  readonly #like = new Map<string, Alike>();
  readonly #passedTopics = new Set<string>();
  readonly #passedParents = new Set<string>();
  #deepestPassed = 0;
  /** Topics with so many levels resemble a suspect. */
  #tooDeep = Number.POSITIVE_INFINITY;
  #deepConvicted = false;
  #deepAt = 0;
  /** Ends of connections by suspects in the last minute, monotonic milliseconds. */
  #ends: number[] = [];
  #turnAt = Number.NEGATIVE_INFINITY;
  #cause: FailureInput | undefined;
  /** The suspect that is in flight alone. Written by `plan`, `lost` and `passed`. */
  #alone: string | null = null;
  readonly #convicted = new Map<string, Convicted>();
  /** PUBACKs. */
  #answers = 0;

  /** Whether this message may be sent now, must wait for what is in flight, or comes later. */
  plan(message: Message, now: number, inFlight: UnderWay): Plan {
    this.#forget(now);
    // However it ended: answered, refused, late, lost with its connection, or never sent.
    if (this.#alone !== null && !isUnanswered(inFlight, this.#alone)) this.#alone = null;
    if (this.#suspects.size === 0 && this.#like.size === 0) return SEND;
    if (this.#goesAlone(message)) {
      const suspect = this.#suspects.get(message.messageId);
      if (suspect !== undefined) remember(this.#suspects, message.messageId, { ...suspect, seenAt: now });
      // QUARANTINE-2
      if (now < this.#turnAt) return { kind: "later", inMs: this.#turnAt - now };
      // QUARANTINE-1
      if (hasUnanswered(inFlight)) return this.#alone === null ? HOLD : { kind: "later", inMs: SOON_MS };
      this.#alone = message.messageId;
      return SEND;
    }
    if (this.#alone !== null) return HOLD;
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
    const before = this.#suspects.get(message.messageId);
    const { ends = 0, first = 0, alone = 0 } = before ?? {};
    const [aloneAt, aloneAfter] =
      before === undefined || alone === 0 ? [now, this.#answers] : [before.aloneAt, before.aloneAfter];
    const suspect: Suspect = {
      ...{ topic: message.topic, seenAt: now, aloneAt, aloneAfter },
      ends: ends + 1,
      first: first + (isFirst ? 1 : 0),
      alone: alone + (wasAlone ? 1 : 0),
    };
    if (wasAlone && this.#isProven(suspect, cause, now)) return this.#convict(message, now);
    remember(this.#suspects, message.messageId, suspect);
    if (isFirst) this.#suspectAlike(message.topic, now);
    return { convicted: false, ours: wasAlone || this.#ends.length <= QUICK_ENDS };
  }

  /** The broker answered, if only by a refusal: the row is not the cause. */
  passed(message: Message): void {
    this.#answers++;
    this.delivered(message);
  }

  /** An ack came, maybe of an earlier connection. QUARANTINE-4 */
  delivered({ messageId, topic }: Message): void {
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
    if (this.#like.get(parent)?.convicted === false) this.#like.delete(parent);
    if (levels >= this.#tooDeep) this.#clearDeep();
  }

  /** What people look at; null: no message is suspected or was convicted, or all are forgotten. */
  hangUps(now: number): HangUps | null {
    this.#forget(now);
    const topics = [...this.#suspects.values()].filter(({ first }) => first > 0).map(({ topic }) => topic);
    for (const { topic } of this.#convicted.values()) topics.push(topic);
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

  #suspectAlike(topic: string, now: number): void {
    if (this.#passedTopics.has(topic)) return;
    const parent = parentOf(topic);
    for (const like of this.#passedParents.has(parent) ? [topic] : [topic, parent]) {
      remember(this.#like, like, { convicted: this.#like.get(like)?.convicted === true, seenAt: now });
    }
    this.#deepAt = now;
    const levels = levelsOf(topic);
    const deepest = this.#deepestPassed > 0 ? this.#deepestPassed : DEEPEST_ANYWHERE;
    if (levels > deepest) this.#tooDeep = Math.min(this.#tooDeep, levels);
  }

  #isProven({ topic, alone, aloneAt, aloneAfter }: Suspect, cause: FailureInput | undefined, now: number): boolean {
    // QUARANTINE-5
    if (this.#answers === aloneAfter) return alone >= UNPROVEN_AFTER && now - aloneAt > UNPROVEN_MS;
    const isDeep = this.#deepConvicted && levelsOf(topic) >= this.#tooDeep;
    const isLikely = cause?.kind === "disconnect" || isDeep || this.#like.get(parentOf(topic))?.convicted === true;
    return alone >= (isLikely ? CONVICTED_WITH_REASON : CONVICTED_AFTER);
  }

  #convict({ messageId, topic }: Message, now: number): Verdict {
    this.#suspects.delete(messageId);
    remember(this.#convicted, messageId, { topic, seenAt: now });
    const parent = parentOf(topic);
    if (!this.#passedParents.has(parent)) remember(this.#like, parent, { convicted: true, seenAt: now });
    if (levelsOf(topic) >= this.#tooDeep) [this.#deepConvicted, this.#deepAt] = [true, now];
    return { convicted: true, ours: true };
  }

  /** QUARANTINE-3 */
  #forget(now: number): void {
    for (const seen of [this.#suspects, this.#like, this.#convicted]) {
      // The oldest come first.
      for (const [key, { seenAt }] of seen) {
        if (now - seenAt < FORGOTTEN_MS) break;
        seen.delete(key);
      }
    }
    if (now - this.#deepAt >= FORGOTTEN_MS) this.#clearDeep();
  }

  #clearDeep(): void {
    [this.#tooDeep, this.#deepConvicted] = [Number.POSITIVE_INFINITY, false];
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

function isUnanswered(inFlight: UnderWay, id: string): boolean {
  for (const { state, message } of inFlight.values()) if (state === "SENT" && message.messageId === id) return true;
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
