/**
 * Requests to the publisher that served this page.
 *
 * Invariants:
 *  1. Only paths of this origin are asked for; the token travels in a header alone.
 *  2. No request throws: what goes wrong is a `Refusal`. 401 also tells the session, so that the page asks for the token.
 */
import { authorization, noteRefused } from "../state/session.ts";
import type { Answer, Refusal } from "./answer.ts";

const DEADLINE_MS = 10_000;

/** The audit shows the name as what the caller says; who it was is known by the token. */
const CHANGE = { "content-type": "application/json", "x-acktor-user": "console" };

const UNREACHABLE: Refusal = {
  ok: false,
  status: null,
  code: "unreachable",
  message: "the publisher does not answer",
  fix: "",
};

export function get<T>(path: string): Promise<Answer<T>> {
  return ask<T>(path, { method: "GET" });
}

/** A body always: the publisher refuses a change that a form of another page could send. */
export function post<T>(path: string, body: object = {}): Promise<Answer<T>> {
  return ask<T>(path, { method: "POST", headers: CHANGE, body: JSON.stringify(body) });
}

export function remove<T>(path: string): Promise<Answer<T>> {
  return ask<T>(path, { method: "DELETE", headers: CHANGE, body: "{}" });
}

async function ask<T>(path: string, init: RequestInit): Promise<Answer<T>> {
  try {
    const headers = { ...init.headers, ...authorization() };
    const response = await fetch(path, { ...init, headers, signal: AbortSignal.timeout(DEADLINE_MS) });
    if (response.status === 401) noteRefused();
    if (response.ok) return { ok: true, value: (await response.json()) as T };
    return refusalOf(response.status, await response.json().catch(() => null));
  } catch {
    return UNREACHABLE;
  }
}

function refusalOf(status: number, body: unknown): Refusal {
  const { error } = (body ?? {}) as { readonly error?: Partial<Refusal> };
  const { code = `http_${status}`, message = `HTTP ${status}`, fix = "", field } = error ?? {};
  return { ok: false, status, code, message, fix, ...(field === undefined ? {} : { field }) };
}
