/**
 * Who is looking: the bearer token of this browser tab.
 *
 * Invariants:
 *  1. The token comes from the address's fragment (never sent to a server) or from the form, and is taken out of the
 *     address at once; it is kept for this tab alone.
 *  2. After a 401 nothing is asked for until another token is given.
 */

import { signal } from "@preact/signals";
import { decoded } from "./percent.ts";

const KEY = "acktor.token";

/** Null: none given; the publisher may want none. */
export const token = signal<string | null>(null);
/** The publisher refused what it was given. */
export const isRefused = signal(false);
/** Rises when another token is given: whoever holds a connection begins anew. */
export const logins = signal(0);

/** Takes the token out of the address, or the one that this tab had before. */
export function restoreSession(): void {
  const given = tokenIn(location.hash);
  if (given !== null) {
    history.replaceState(null, "", `${location.pathname}#/`);
    keep(given);
  }
  token.value = sessionStorage.getItem(KEY);
}

/** Not as a form's value: a plus sign is one. */
function tokenIn(fragment: string): string | null {
  const text = /[#/&?]token=([^&]+)/.exec(fragment)?.[1];
  return text === undefined ? null : decoded(text);
}

export function signIn(given: string): void {
  keep(given);
  token.value = given;
  isRefused.value = false;
  logins.value++;
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  token.value = null;
  isRefused.value = true;
}

/** Back to asking without a token, where the publisher takes that. */
export function goOnWithout(): void {
  isRefused.value = false;
  logins.value++;
}

export function noteRefused(): void {
  isRefused.value = true;
}

export function authorization(): Record<string, string> {
  return token.value === null ? {} : { authorization: `Bearer ${token.value}` };
}

function keep(given: string): void {
  sessionStorage.setItem(KEY, given);
}
