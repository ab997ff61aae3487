/**
 * What the reader's token may do, so that the page offers nothing that would be refused.
 *
 * Invariants:
 *  ME-1. It only hides: the publisher decides. While it does not answer, and with a publisher that knows no principals (404),
 *        everything is offered.
 *  ME-2. What belongs to one token is forgotten with it.
 */
import { effect, signal } from "@preact/signals";
import { get } from "../api/client.ts";
import type { Me, Scope } from "../api/principal.ts";
import { isRefused, logins } from "./session.ts";

const AGAIN_MS = 3_000;

/** Null: not known, or not told. */
export const me = signal<Me | null>(null);
/** The publisher takes callers without a token. */
export const isOpen = signal(false);
/** It has been asked, and has answered or cannot: until then no view asks for what would be refused. */
export const isKnown = signal(false);

/** Asks with each login, until it is answered. @returns what ends it */
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

/** Pages of the whole fleet are for who may read every topic. */
export function mayReadAll(): boolean {
  return may("read") && (me.value?.topics.read.includes("#") ?? true);
}
