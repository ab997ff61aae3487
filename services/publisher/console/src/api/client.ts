/**
 * Requests to the publisher that served this page.
 *
 * Invariants:
 *  CONSOLE_CLIENT-1. Requests go only to this origin; the token is sent only in a header.
 *  CONSOLE_CLIENT-2. No request throws: a failure is a `Refusal`. After a 401 the page asks for a token.
 */
import { authorization, noteRefused } from "../state/session.ts";
import type { Answer, Refusal } from "./answer.ts";

const DEADLINE_MS = 10_000;

/** The audit shows this name as the caller's claim; the token identifies the caller. */
const CHANGE = { "content-type": "application/json", "x-acktor-user": "console" };

const UNREACHABLE: Refusal = {
  ok: false,
  status: null,
  code: "unreachable",
  message: "the publisher is unreachable",
  fix: "",
};

export function get<T>(path: string): Promise<Answer<T>> {
  return ask<T>(path, { method: "GET" });
}

/** Always with a body: the publisher refuses a change that a form of another page could send. */
export function post<T>(path: string, body: object = {}): Promise<Answer<T>> {
  return ask<T>(path, { method: "POST", headers: CHANGE, body: JSON.stringify(body) });
}

export function remove<T>(path: string): Promise<Answer<T>> {
  return ask<T>(path, { method: "DELETE", headers: CHANGE, body: "{}" });
}

async function ask<T>(path: string, init: RequestInit): Promise<Answer<T>> {
  try {
    const headers = { ...init.headers, ...authorization() }; // CONSOLE_CLIENT-1
    const response = await fetch(path, { ...init, headers, signal: AbortSignal.timeout(DEADLINE_MS) });
    if (response.status === 401) noteRefused(); // CONSOLE_CLIENT-2
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
