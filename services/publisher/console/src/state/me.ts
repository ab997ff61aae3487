/**
 * The rights of the reader's token, so that the page offers no action that would be refused. The publisher decides; the page
 * only hides.
 *
 * Invariants:
 *  ME-1. While the publisher does not answer, and with a publisher without principals (404), everything is offered.
 */
import { effect, signal } from "@preact/signals";
import { get } from "../api/client.ts";
import type { Me, Scope } from "../api/principal.ts";
import { isRefused, logins } from "./session.ts";

const AGAIN_MS = 3_000;

/** Null: not known. */
export const me = signal<Me | null>(null);
/** The publisher accepts callers without a token. */
export const isOpen = signal(false);
/** The publisher has answered, or cannot: until then no view sends a request that might be refused. */
export const isKnown = signal(false);

/** Asks with each login until the publisher answers. @returns a function that stops it */
export function followMe(): () => void {
  return effect(() => {
    logins.value;
    if (isRefused.value) return;
    me.value = null;
    isKnown.value = false;
    let timer = 0;
    let isGone = false;
    const ask = async (): Promise<void> => {
      const answer = await get<Me>("/v1/me");
      if (isGone) return;
      if (answer.ok) {
        me.value = answer.value;
        isOpen.value = !answer.value.authenticated;
      } else if (answer.status !== 404 && answer.status !== 401) timer = window.setTimeout(() => void ask(), AGAIN_MS);
      isKnown.value = true;
    };
    void ask();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  });
}

/** ME-1. An admin may do everything. */
export function may(scope: Scope): boolean {
  const scopes = me.value?.scopes;
  return scopes === undefined || scopes.includes(scope) || scopes.includes("admin");
}

/** Pages with all topics need the right to read all topics. */
export function mayReadAll(): boolean {
  return may("read") && (me.value?.topics.read.includes("#") ?? true);
}
