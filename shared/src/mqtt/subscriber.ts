/**
 * The SUBSCRIBEs of one connection: what was asked for, what was refused, and whether the connection is of use.
 *
 * Invariants:
 *  SUBSCRIBER-1. A SUBSCRIBE has at most `FILTERS_A_PACKET` filters, all of one need; optional ones are sent last. A broker that
 *                closes at an optional one has answered the others before.
 *  SUBSCRIBER-2. The connection fails when a required filter is refused, or every filter of `one_of`. Any other refusal is
 *                reported, once.
 *  SUBSCRIBER-3. `isSettled` is true when no SUBACK of a required or `one_of` filter is outstanding.
 */
import type { Clock } from "../runtime/clock.ts";
import type { FailureInput } from "./failure-input.ts";
import type { Need, Subscription } from "./messages.ts";

/** The limit of AWS IoT, the lowest that is known. */
const FILTERS_A_PACKET = 8;
const ORDER: readonly Need[] = ["required", "one_of", "optional"];
const SUCCESS_BELOW = 0x80;
/** Without a SUBACK the driver itself found a filter invalid. */
const FILTER_INVALID = 0x8f;

export interface SubscriberOwner {
  /** Sends one SUBSCRIBE. */
  sendSubscribe(request: readonly Subscription[]): void;
  /** A filter that the connection does without. @param code of SUBACK; null: no SUBACK in time */
  refused(subscription: Subscription, code: number | null, said?: string): void;
  failed(input: FailureInput): void;
}

interface Refused {
  readonly code: number;
  readonly said: string | undefined;
}

interface Asked {
  readonly need: Need;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export class Subscriber {
  readonly #protocolVersion: 4 | 5;
  readonly #clock: Clock;
  readonly #owner: SubscriberOwner;
  /** SUBSCRIBEs without SUBACK, in the order in which they were sent. */
  readonly #asked = new Map<readonly Subscription[], Asked>();
  readonly #oneOf = { granted: new Set<string>(), refused: new Map<string, Refused>() };

  constructor(options: { readonly protocolVersion: 4 | 5; readonly clock: Clock }, owner: SubscriberOwner) {
    this.#protocolVersion = options.protocolVersion;
    this.#clock = options.clock;
    this.#owner = owner;
  }

  /** SUBSCRIBER-3 */
  get isSettled(): boolean {
    return this.#oldest((need) => need !== "optional") === null;
  }

  /** When the oldest SUBSCRIBE without SUBACK was sent whose filters the connection needs, or null. */
  get neededSince(): number | null {
    return this.#oldest((need) => need !== "optional")?.at ?? null;
  }

  /** Optional filters whose SUBACK is outstanding. */
  get optionalAsked(): readonly string[] {
    return [...this.#asked].flatMap(([request, { need }]) =>
      need === "optional" ? request.map(({ filter }) => filter) : [],
    );
  }

  /** When this SUBSCRIBE was sent, while its SUBACK is outstanding. */
  askedAt(request: readonly Subscription[]): number | null {
    return this.#asked.get(request)?.at ?? null;
  }

  /** SUBSCRIBER-1 */
  subscribe(subscriptions: readonly Subscription[]): void {
    for (const need of ORDER) {
      const same = subscriptions.filter((one) => (one.need ?? "required") === need);
      for (let i = 0; i < same.length; i += FILTERS_A_PACKET) {
        const request = same.slice(i, i + FILTERS_A_PACKET);
        this.#asked.set(request, { need, at: this.#clock.now() });
        this.#owner.sendSubscribe(request);
      }
    }
  }

  forget(filter: string): void {
    this.#oneOf.granted.delete(filter);
    this.#oneOf.refused.delete(filter);
  }

  /** @param said Reason String of the SUBACK */
  answered(request: readonly Subscription[], codes: ReadonlyMap<string, number>, said: string | undefined): void {
    // A late answer: the refusal was reported when its time was over.
    if (!this.#asked.delete(request)) return;
    for (const one of request) this.#judge(one, { code: codes.get(one.filter) ?? FILTER_INVALID, said });
    const [first] = this.#oneOf.refused;
    const isDecided = this.#oldest((need) => need === "one_of") === null;
    // SUBSCRIBER-2
    if (first !== undefined && isDecided && this.#oneOf.granted.size === 0) this.#fail(...first);
  }

  /** Gives up optional SUBSCRIBEs that have waited for `limitMs`. */
  expire(now: number, limitMs: number): void {
    for (const [request, { need, at }] of this.#asked) {
      if (need !== "optional" || now - at < limitMs) continue;
      this.#asked.delete(request);
      for (const subscription of request) this.#owner.refused(subscription, null);
    }
  }

  #judge(subscription: Subscription, answer: Refused): void {
    const { filter, need = "required" } = subscription;
    const isGranted = answer.code < SUCCESS_BELOW;
    if (need === "one_of" && isGranted) this.#oneOf.granted.add(filter);
    if (isGranted) return;
    if (need === "one_of") this.#oneOf.refused.set(filter, answer);
    if (need === "required") this.#fail(filter, answer);
    else this.#owner.refused(subscription, answer.code, answer.said);
  }

  #fail(filter: string, answer: Refused): void {
    this.#owner.failed({ kind: "suback", protocolVersion: this.#protocolVersion, filter, ...answer });
  }

  #oldest(matches: (need: Need) => boolean): Asked | null {
    for (const asked of this.#asked.values()) if (matches(asked.need)) return asked;
    return null;
  }
}
