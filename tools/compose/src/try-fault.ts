/**
 * One trial: sends messages at a steady rate by HTTP while the line to the broker is broken, then waits until each is
 * acknowledged. It uses only the HTTP interface, as a caller does.
 *
 * Invariants:
 *  TRY_FAULT-1. `lost` counts messages that were answered with 201 and are not acknowledged at the end. An unanswered request
 *               is not a loss.
 *  TRY_FAULT-2. A fault that hit no traffic is reported as `untouched`, not as passed.
 */
import type { Scenario } from "@acktor/chaos/scenarios/scenario";
import { pause } from "@acktor/shared/runtime/pause";
import type { FaultTexts } from "./fault-texts.ts";

export interface TrialOptions {
  readonly scenario: Pick<Scenario, "name" | "limits">;
  /** Messages a second. */
  readonly rate: number;
  /** http://host:port of a publisher, and of the fault proxy's control port. */
  readonly api: string;
  readonly control: string;
  readonly token: string;
  readonly topic: string;
  readonly signal: AbortSignal;
}

export interface Trial {
  readonly accepted: number;
  readonly notAccepted: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** From the first request to the first status other than CONNECTED; null: there was none. */
  readonly missedMs: number | null;
  /** From the end of the last fault to CONNECTED; null: the link did not reconnect. */
  readonly recoverMs: number | null;
  readonly passed: boolean;
}

export type Tried =
  | { readonly ok: true; readonly trial: Trial }
  | { readonly ok: false; readonly why: keyof FaultTexts["away"] };

const POLL_MS = 100;
const REQUEST_MS = 5_000;
const MOST_UNDER_WAY = 200;
/** Time for the last messages and their retries. */
const LAST_ACKS_MS = 60_000;
const STATES_AT_ONCE = 1_000;

export async function tryFault(options: TrialOptions): Promise<Tried> {
  if ((await connectionState(options)) === null) return { ok: false, why: "publisher" };
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, options.signal]);
  const startedAt = performance.now();
  const sending = sendSteadily(options, signal);
  const watching = firstMiss(options, startedAt, signal);
  const broken = await breakLine(options);
  const healedAt = performance.now();
  const back = broken.ok
    ? await until(options, healedAt, async () => (await connectionState(options)) === "CONNECTED")
    : null;
  over.abort();
  const [sent, missedMs] = await Promise.all([sending, watching]);
  if (!broken.ok) return broken;
  // TRY_FAULT-1
  const lost = await unacknowledged(options, sent.ids);
  const passed = lost === 0 && back !== null && back <= options.scenario.limits.recoverMs;
  const { length: accepted } = sent.ids;
  const trial = { accepted, notAccepted: sent.others, acknowledged: accepted - lost, lost, missedMs, recoverMs: back };
  return { ok: true, trial: { ...trial, passed } };
}

export function describeTrial(trial: Trial, texts: FaultTexts): string[] {
  const seconds = (ms: number | null): string | null => (ms === null ? null : (ms / 1_000).toFixed(1));
  return [
    texts.accepted(trial.accepted, trial.notAccepted),
    texts.acknowledged(trial.acknowledged, trial.lost),
    texts.missed(seconds(trial.missedMs)),
    texts.recovered(seconds(trial.recoverMs)),
    texts.verdict(trial.passed),
  ];
}

/** Starts the fault; the proxy answers after the last fault has ended. */
async function breakLine({
  control,
  scenario,
  signal,
}: TrialOptions): Promise<{ ok: true } | Exclude<Tried, { ok: true }>> {
  try {
    const response = await fetch(`${control}/scenarios/${scenario.name}`, { method: "POST", signal });
    const { hits = 0 } = (await response.json()) as { hits?: number };
    if (response.status === 409) return { ok: false, why: "busy" };
    if (!response.ok) return { ok: false, why: "line" };
    // TRY_FAULT-2
    return hits > 0 ? { ok: true } : { ok: false, why: "untouched" };
  } catch {
    return { ok: false, why: "line" };
  }
}

/** Sends until `signal`. @returns accepted ids, and how many requests were not answered with 201 */
async function sendSteadily(options: TrialOptions, signal: AbortSignal): Promise<{ ids: string[]; others: number }> {
  const ids: string[] = [];
  const underWay = new Set<Promise<void>>();
  let others = 0;
  const send = async (n: number): Promise<void> => {
    const body = { topic: options.topic, content: `message ${n} of ${options.scenario.name}` };
    const answer = await ask(options, "/v1/messages", body);
    const id = answer?.["message_id"];
    if (typeof id === "string") ids.push(id);
    else others++;
  };
  const startedAt = performance.now();
  for (let n = 0; await pause(Math.max(0, startedAt + (n * 1_000) / options.rate - performance.now()), signal); n++) {
    if (underWay.size >= MOST_UNDER_WAY) continue;
    const sending: Promise<void> = send(n).finally(() => underWay.delete(sending));
    underWay.add(sending);
  }
  await Promise.all(underWay);
  return { ids, others };
}

/** Milliseconds until the publisher is first seen without its connection; null if it never is. */
async function firstMiss(options: TrialOptions, startedAt: number, signal: AbortSignal): Promise<number | null> {
  while (await pause(POLL_MS, signal)) {
    const state = await connectionState(options);
    if (state !== null && state !== "CONNECTED") return performance.now() - startedAt;
  }
  return null;
}

/** Milliseconds from `since` until the condition holds; null if it does not hold in time. */
async function until({ signal }: TrialOptions, since: number, holds: () => Promise<boolean>): Promise<number | null> {
  do {
    if (await holds()) return performance.now() - since;
  } while (performance.now() - since < LAST_ACKS_MS && (await pause(POLL_MS, signal)));
  return null;
}

/** Waits until all are acknowledged, or `LAST_ACKS_MS`. @returns how many are not */
async function unacknowledged(options: TrialOptions, ids: readonly string[]): Promise<number> {
  let open = ids;
  await until(options, performance.now(), async () => {
    open = await stillOpen(options, open);
    return open.length === 0;
  });
  return open.length;
}

/** Those of the ids that are not known to be acknowledged. */
async function stillOpen(options: TrialOptions, ids: readonly string[]): Promise<readonly string[]> {
  const open: string[] = [];
  for (let at = 0; at < ids.length; at += STATES_AT_ONCE) {
    const some = ids.slice(at, at + STATES_AT_ONCE);
    const answer = await ask(options, "/v1/messages/states", { message_ids: some });
    const states = (answer?.["states"] ?? []) as readonly (string | null)[];
    open.push(...some.filter((_, n) => states[n] !== "acknowledged"));
  }
  return open;
}

async function connectionState(options: TrialOptions): Promise<string | null> {
  const status = await ask(options, "/v1/status");
  return (status?.["connection"] as { readonly state?: string } | undefined)?.state ?? null;
}

/** The answer's object; null after any failure. */
async function ask(options: TrialOptions, path: string, body?: object): Promise<Record<string, unknown> | null> {
  const headers = { authorization: `Bearer ${options.token}`, "content-type": "application/json" };
  const request = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  try {
    const within = AbortSignal.any([options.signal, AbortSignal.timeout(REQUEST_MS)]);
    const response = await fetch(`${options.api}${path}`, { ...request, signal: within });
    return response.ok ? ((await response.json()) as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
