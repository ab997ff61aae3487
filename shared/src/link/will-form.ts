/**
 * In which form the will goes with a CONNECT. A will is optional: a broker that refuses it gets a lesser one, and then none.
 *
 * Brokers refuse a will by CONNACK 0x9A (retain not supported) or 0x9B (QoS not supported), or, on 3.1.1, by closing.
 *
 *  WILL_FORM-1. A lesser form is used for `LESS_FOR_MS`; the first connect after that goes with the full will. An operator's reset
 *               tries it sooner.
 */
import type { Will } from "../mqtt/transport.ts";
import type { LinkFailure } from "./link.ts";

export interface WillForm {
  /** `plain`: QoS 0, not retained. */
  readonly form: "full" | "plain" | "none";
  /** The next attempt goes without: the broker closed before CONNACK, perhaps because of the will. */
  readonly tryWithout: boolean;
  /** Connections that worked without right after one that was closed with it. */
  readonly suspicions: number;
  /** Why it is not `full`. */
  readonly why: LinkFailure | null;
  /** Monotonic milliseconds since when it is not `full`, or goes without; null where it is. */
  readonly since: number | null;
}

export const NO_WILL: WillForm = { form: "none", tryWithout: false, suspicions: 0, why: null, since: null };
export const FULL_WILL: WillForm = { ...NO_WILL, form: "full" };

/** Connections until a will counts as refused by a close. A single one may have been a broker that was starting. */
const SUSPICIONS_BELIEVED = 2;
const LESS_FOR_MS = 3_600_000;

/** What the next CONNECT carries. */
export function formNow({ form, tryWithout }: WillForm): WillForm["form"] {
  return tryWithout ? "none" : form;
}

/** What a new attempt starts with. WILL_FORM-1 */
export function willAfter(will: WillForm, now: number): WillForm {
  return will.since !== null && now - will.since >= LESS_FOR_MS ? FULL_WILL : will;
}

/** The broker refused it by a code. */
export function lessWill(will: WillForm, why: LinkFailure, now: number): WillForm {
  return { ...will, form: will.form === "full" ? "plain" : "none", why, since: will.since ?? now };
}

/** The broker closed before CONNACK: attempts with and without the will take turns. */
export function closedWithWill(will: WillForm, why: LinkFailure, now: number): WillForm {
  return will.form === "none" ? will : { ...will, tryWithout: !will.tryWithout, why, since: will.since ?? now };
}

/** A connection works. */
export function provedWill(will: WillForm): WillForm {
  if (!will.tryWithout) return will.form === "full" ? FULL_WILL : will;
  const suspicions = will.suspicions + 1;
  return { ...will, suspicions, tryWithout: suspicions >= SUSPICIONS_BELIEVED };
}

export function willAs(form: WillForm["form"], will: Will | null): Will | null {
  if (form === "none" || will === null) return null;
  return form === "full" ? will : { ...will, qos: 0, retain: false };
}
