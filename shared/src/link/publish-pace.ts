/**
 * How fast a broker takes PUBLISHes, where it has a quota and leaves the rest unanswered or refuses it by 0x97. One for each
 * link: it outlives connections.
 *
 * A connection starts with a window of `FIRST_WINDOW` PUBLISHes without PUBACK that grows by one with each PUBACK, so that a
 * quota is found with few PUBLISHes wasted. Without a quota the window is no limit after some round trips, and nothing else
 * limits the rate. With one, the rate starts at what was answered in the best second; a PUBLISH that is left out takes it to
 * what is answered, at most halved; without one it grows by 1 % a second, and faster the longer that lasts.
 *
 * Invariants:
 *  PUBLISH_PACE-1. Without a configured rate, nothing is limited by time until `EVIDENCE` PUBLISHes were left out while later
 *                  ones were answered.
 *  PUBLISH_PACE-2. The rate is never above the configured one.
 *  PUBLISH_PACE-3. Where what seemed left out was answered late, the broker answers out of order: the limit is lifted.
 *  PUBLISH_PACE-4. Memory is constant: counts of the last `SLOTS` slots.
 *  PUBLISH_PACE-5. Reductions that do not help show another cause, such as one topic that the broker never answers or one full
 *                  queue that it refuses by 0x97: the limit is lifted, and evidence does not count for a minute, up to ten.
 */
import type { Clock } from "../runtime/clock.ts";

const SLOT_MS = 100;
const SLOTS = 128;
const FIRST_WINDOW = 32;
/** Beyond it the window is no limit any more. */
const OPEN_WINDOW = 4_096;
const EVIDENCE = 3;
/** What is this old and unanswered, while later ones were answered, was left out; older before a quota is known. */
const RIPE_MS = 100;
const RIPE_FIRST_MS = 400;
/** Between two reductions: a reduction shows after that. */
const SETTLE_MS = 500;
const BELOW = 0.97;
const HOLD_MS = 5_000;
/** Evidence that is older tells nothing of a quota. */
const FRESH_MS = 10_000;
const GROWTH = 0.01;
const GROWTH_DOUBLES_MS = 10_000;
const MOST_GROWTH = 0.25;
/** The quota was lifted when its rate is passed so many times over. */
const LIFTED_AT = 4;
const SLOWEST = 1;
/** Reductions in a row, without `HOLD_MS` of calm, that did not help: a small share left out weighs 2, a share as before 1. */
const FUTILE_AT = 8;
const SMALL_SHARE = 0.2;
const LIKE_BEFORE = 0.9;
const MUTED_MS = 60_000;
const MOST_MUTED_MS = 600_000;
/** What may go together, in seconds of the rate. */
const BURST_SECONDS = 0.05;
/** While nothing is answered the window lets one more through this often: only a later answer tells a quota from a broken line. */
const PROBE_MS = 100;

export interface PaceSettings {
  /** PUBLISHes a second; null: learned where needed. */
  readonly publishRate: number | null;
  readonly clock: Clock;
}

export class PublishPace {
  readonly #settings: PaceSettings;
  readonly #sent = new Float64Array(SLOTS);
  readonly #answered = new Float64Array(SLOTS);
  /** The slot of now, and the first that was not judged. */
  #slot: number;
  #unjudged: number;
  /** Null: no quota was seen. */
  #learned: number | null = null;
  /** What is answered a second, when the last PUBLISH was left out. */
  #quota = 0;
  #tokens = 1;
  #filledAt: number;
  #window = FIRST_WINDOW;
  #probedAt = 0;
  #newestAnswered = Number.NEGATIVE_INFINITY;
  #leftOut = 0;
  #evidenceAt = 0;
  #late = 0;
  #reducedAt = Number.NEGATIVE_INFINITY;
  #grownAt = 0;
  /** The rate was the limit since the last growth. */
  #isBinding = false;
  #trustsOrder = true;
  /** PUBLISH_PACE-5; the first two since the last reduction. */
  #sentSince = 0;
  #missedSince = 0;
  #shareBefore = 0;
  #futile = 0;
  #mutedMs = MUTED_MS;
  #mutedUntil = Number.NEGATIVE_INFINITY;

  constructor(settings: PaceSettings) {
    const now = settings.clock.now();
    this.#settings = settings;
    this.#filledAt = now;
    this.#slot = Math.floor(now / SLOT_MS);
    this.#unjudged = this.#slot;
  }

  /** PUBLISHes a second; null: no limit. PUBLISH_PACE-2 */
  get rate(): number | null {
    const { publishRate } = this.#settings;
    if (this.#learned === null) return publishRate;
    return publishRate === null ? this.#learned : Math.min(publishRate, this.#learned);
  }

  /** The broker's quota, PUBLISHes a second, two digits; null: none was seen, or it is still being measured. */
  get quota(): number | null {
    if (this.#learned === null || this.#settings.clock.now() - this.#reducedAt < HOLD_MS / 2) return null;
    return Number(this.#quota.toPrecision(this.#quota < 10 ? 1 : 2));
  }

  /** A connection begins: what was unanswered on the last one says nothing. */
  begin(): void {
    this.#advance();
    this.#unjudged = this.#slot + 1;
    this.#newestAnswered = Number.NEGATIVE_INFINITY;
  }

  /** How many PUBLISHes may go now. @param unanswered those that wait for their PUBACK within their deadline */
  admits(unanswered: number): number {
    const now = this.#settings.clock.now();
    const { rate } = this;
    let most = Number.POSITIVE_INFINITY;
    if (rate !== null) {
      this.#fill(now, rate);
      most = Math.floor(this.#tokens);
      if (most < 1) this.#isBinding = true;
    }
    if (this.#learned !== null || this.#window >= OPEN_WINDOW) return most;
    const room = this.#window - unanswered;
    if (room > 0) return Math.min(most, room);
    return now - this.#probedAt >= PROBE_MS ? Math.min(most, 1) : 0;
  }

  /** Milliseconds until more may go; null: an answer makes room. */
  waitMs(): number | null {
    const { rate } = this;
    if (rate !== null && this.#tokens < 1) return Math.ceil(((1 - this.#tokens) / rate) * 1_000);
    return this.#learned === null && this.#window < OPEN_WINDOW ? PROBE_MS : null;
  }

  /** A PUBLISH goes. @param isAnswered false at QoS 0 */
  sent(isAnswered: boolean): void {
    this.#probedAt = this.#settings.clock.now();
    // What is not answered tells nothing of a quota, and the learned rate counts only what is.
    if (this.rate !== null && (isAnswered || this.#learned === null)) this.#tokens--;
    if (!isAnswered) return;
    this.#sentSince++;
    this.#advance();
    this.#count(this.#sent, this.#slot, 1);
  }

  /** Its PUBACK came, in time or late. */
  answered(sentAt: number): void {
    if (this.#window < OPEN_WINDOW) this.#window++;
    this.#newestAnswered = Math.max(this.#newestAnswered, sentAt);
    const slot = Math.floor(sentAt / SLOT_MS);
    this.#advance();
    if (this.#slot - slot >= SLOTS) return;
    this.#count(this.#answered, slot, 1);
    if (slot < this.#unjudged && this.#learned !== null) this.#wasLate();
  }

  /** The broker refused one by 0x97, or closed with it. */
  exceeded(): void {
    this.#advance();
    this.#noteLeftOut(1, this.#settings.clock.now());
    if (this.#leftOut >= EVIDENCE) this.#reduce(this.#settings.clock.now());
  }

  /** Judges what is old enough. To be called every 100 ms. */
  judge(expectedMs: number): void {
    this.#advance();
    const now = this.#settings.clock.now();
    const floorMs = this.#learned === null ? RIPE_FIRST_MS : RIPE_MS;
    const ripeMs = (this.#trustsOrder ? 1 : 4) * Math.max(floorMs, 2 * expectedMs);
    let leftOut = 0;
    while (this.#unjudged < this.#slot && now - (this.#unjudged + 1) * SLOT_MS >= ripeMs) {
      // Without a later answer the line or the broker is the cause, not a quota.
      const isOvertaken = this.#newestAnswered >= (this.#unjudged + 1) * SLOT_MS;
      if (!isOvertaken && this.#missing(this.#unjudged) > 0 && this.#slot - this.#unjudged < SLOTS / 2) break;
      if (isOvertaken) leftOut += this.#missing(this.#unjudged);
      this.#unjudged++;
    }
    if (leftOut > 0) this.#noteLeftOut(leftOut, now);
    // PUBLISH_PACE-1
    if (leftOut > 0 && this.#leftOut >= EVIDENCE) this.#reduce(now);
    else if (this.#learned !== null) this.#grow(now);
  }

  #noteLeftOut(count: number, now: number): void {
    if (now - this.#evidenceAt > FRESH_MS) this.#leftOut = 0;
    this.#evidenceAt = now;
    this.#leftOut += count;
    this.#missedSince += count;
  }

  #reduce(now: number): void {
    if (now - this.#reducedAt < SETTLE_MS || now < this.#mutedUntil || this.#isFutile(now)) return;
    const answered = this.#learned === null ? this.#bestSecond() : this.#answeredSince(now);
    this.#quota = Math.max(SLOWEST, answered);
    const least = this.#learned === null ? SLOWEST : this.#learned / 2;
    const most = this.#learned ?? Number.POSITIVE_INFINITY;
    if (this.#learned === null) [this.#tokens, this.#filledAt] = [0, now];
    this.#learned = Math.max(SLOWEST, Math.min(most, Math.max(least, answered * BELOW)));
    this.#reducedAt = now;
    this.#grownAt = now + HOLD_MS;
    this.#late = 0;
  }

  /** PUBLISH_PACE-5 */
  #isFutile(now: number): boolean {
    const share = this.#missedSince / Math.max(1, this.#sentSince);
    if (this.#learned !== null && share < SMALL_SHARE) this.#futile += 2;
    else if (this.#learned !== null && share > LIKE_BEFORE * this.#shareBefore) this.#futile++;
    [this.#shareBefore, this.#sentSince, this.#missedSince] = [share, 0, 0];
    if (this.#futile < FUTILE_AT) return false;
    this.#lift();
    this.#mutedUntil = now + this.#mutedMs;
    this.#mutedMs = Math.min(MOST_MUTED_MS, 2 * this.#mutedMs);
    return true;
  }

  #grow(now: number): void {
    const elapsedMs = now - this.#grownAt;
    if (elapsedMs < 1_000 || this.#learned === null) return;
    this.#futile = 0;
    this.#grownAt = now;
    this.#leftOut = 0;
    if (!this.#isBinding) return;
    this.#isBinding = false;
    const calmMs = now - this.#reducedAt - HOLD_MS;
    this.#learned *= 1 + Math.min(MOST_GROWTH, GROWTH * 2 ** (calmMs / GROWTH_DOUBLES_MS));
    if (this.#learned > LIFTED_AT * this.#quota) this.#lift();
  }

  /** PUBLISH_PACE-3 */
  #wasLate(): void {
    this.#late++;
    if (this.#late < Math.max(EVIDENCE, this.#leftOut / 2)) return;
    this.#trustsOrder = false;
    this.#lift();
  }

  #lift(): void {
    this.#learned = null;
    [this.#leftOut, this.#late, this.#futile] = [0, 0, 0];
    this.#window = OPEN_WINDOW;
  }

  #bestSecond(): number {
    const slots = 1_000 / SLOT_MS;
    let best = 0;
    for (let first = Math.max(0, this.#slot - SLOTS / 2); first <= this.#slot; first++) {
      let sum = 0;
      for (let n = first; n < first + slots && n <= this.#slot; n++) sum += this.#answered[n % SLOTS] ?? 0;
      best = Math.max(best, sum);
    }
    return best;
  }

  /** A second, of what was sent since the last reduction; the last second at most. */
  #answeredSince(now: number): number {
    const from = Math.max(this.#unjudged - 1_000 / SLOT_MS, Math.floor(this.#reducedAt / SLOT_MS) + 1);
    if (this.#unjudged - from < 2) return this.#learned ?? now;
    let sum = 0;
    for (let n = from; n < this.#unjudged; n++) sum += this.#answered[n % SLOTS] ?? 0;
    return (sum * 1_000) / ((this.#unjudged - from) * SLOT_MS);
  }

  #missing(slot: number): number {
    return Math.max(0, (this.#sent[slot % SLOTS] ?? 0) - (this.#answered[slot % SLOTS] ?? 0));
  }

  #count(counts: Float64Array, slot: number, by: number): void {
    counts[slot % SLOTS] = (counts[slot % SLOTS] ?? 0) + by;
  }

  /** PUBLISH_PACE-4 */
  #advance(): void {
    const slot = Math.floor(this.#settings.clock.now() / SLOT_MS);
    for (let n = Math.max(this.#slot + 1, slot - SLOTS + 1); n <= slot; n++) {
      this.#sent[n % SLOTS] = 0;
      this.#answered[n % SLOTS] = 0;
    }
    this.#slot = Math.max(this.#slot, slot);
    this.#unjudged = Math.max(this.#unjudged, this.#slot - SLOTS + 1);
  }

  #fill(now: number, rate: number): void {
    const most = Math.max(1, rate * BURST_SECONDS);
    this.#tokens = Math.min(most, this.#tokens + ((now - this.#filledAt) * rate) / 1_000);
    this.#filledAt = now;
  }
}
