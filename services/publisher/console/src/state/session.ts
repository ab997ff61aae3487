/**
 * The bearer token of this browser tab.
 *
 * Invariants:
 *  SESSION-1. A token in the address's fragment is removed from the address immediately, and kept only for this tab.
 *             Browsers never send a fragment to a server.
 */

import { signal } from "@preact/signals";
import { decoded } from "./percent.ts";

const KEY = "acktor.token";

/** Null: no token was given; the publisher may not require one. */
export const token = signal<string | null>(null);
/** The publisher refused the last request with 401. */
export const isRefused = signal(false);
/** Rises with each login: streams and polls start again. */
export const logins = signal(0);

/** Uses the token of the address, else the one that this tab had before. */
export function restoreSession(): void {
  const given = tokenIn(location.hash);
  if (given !== null) {
    history.replaceState(null, "", `${location.pathname}#/`); // SESSION-1
    keep(given);
  }
  token.value = sessionStorage.getItem(KEY);
}

/** Not decoded like a form's value: a plus sign stays a plus sign. */
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

/** Sends requests without a token, if the publisher accepts that. */
export function continueWithout(): void {
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
