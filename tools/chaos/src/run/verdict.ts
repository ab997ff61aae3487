/** Makes a verdict with reasons from the findings of a run (pure). */
import type { Verdict } from "../check/judge.ts";
import type { Limits, Scenario } from "../scenarios/scenario.ts";
import type { Facts } from "./read-facts.ts";
import { type FaultRecord, type Outcome, publishRatio, type ScenarioResult } from "./result.ts";
import type { Sample } from "./watch-publisher.ts";

export interface Findings {
  readonly seed: number;
  readonly durationMs: number;
  readonly sent: number;
  readonly accepted: number;
  readonly refused: number;
  readonly unknown: number;
  readonly found: Verdict;
  readonly outOfOrder: readonly string[];
  readonly facts: Facts;
  readonly ownErrors: readonly string[];
  readonly faults: readonly FaultRecord[];
  /** The fault that this driver does not have, or null. */
  readonly impossible: string | null;
  readonly interrupted: boolean;
  readonly samples: readonly Sample[];
  readonly finalState: string;
}

export function judgeLimits(scenario: Scenario, findings: Findings): ScenarioResult {
  const { found, facts, samples, faults } = findings;
  const begin = Math.min(...faults.map((fault) => fault.beginMs));
  const end = Math.max(...faults.map((fault) => fault.endMs));
  const last = samples.at(-1)?.counts;
  const measured = {
    reconnectingMs: firstAfter(samples, begin, (state) => state !== "CONNECTED" && state !== null),
    recoverMs: recoveryOf(samples, end),
    breakerOpenings: last?.breakerOpenings ?? 0,
    published: last?.published ?? 0,
    republished: last?.republished ?? 0,
  };
  const limits = brokenLimits(scenario.limits, measured, findings);
  const { outcome, reasons } = outcomeOf(findings, brokenPromises(findings), limits);
  return {
    scenario: scenario.name,
    seed: findings.seed,
    durationMs: findings.durationMs,
    sent: findings.sent,
    accepted: findings.accepted,
    refused: findings.refused,
    unknown: findings.unknown,
    acknowledged: facts.acknowledged,
    lost: found.lost.length,
    wireDuplicates: facts.wireDuplicates,
    doubleEffects: found.doubleEffects.length,
    illegalMoves: found.illegalMoves.length,
    outOfOrder: findings.outOfOrder.length,
    ownErrors: findings.ownErrors.length,
    errors: last?.errors ?? {},
    ...measured,
    latencyMs: facts.latencyMs,
    finalState: findings.finalState,
    faults,
    outcome,
    reasons,
    samples,
    seconds: facts.seconds,
  };
}

/** A broken promise counts regardless of the faults. A limit only counts when every fault was injected. */
function outcomeOf(
  { impossible, interrupted, faults }: Findings,
  promises: readonly string[],
  limits: readonly string[],
): { outcome: Outcome; reasons: readonly string[] } {
  if (impossible !== null) return { outcome: "not possible", reasons: [`this driver cannot ${impossible}`] };
  if (interrupted) return { outcome: "failed", reasons: ["interrupted"] };
  if (promises.length > 0) return { outcome: "failed", reasons: [...promises, ...limits] };
  const missed = faults.filter((fault) => fault.hits === 0).map((fault) => `${fault.name} hit nothing`);
  if (faults.length === 0 || missed.length > 0) return { outcome: "not injected", reasons: missed };
  return limits.length > 0 ? { outcome: "failed", reasons: limits } : { outcome: "passed", reasons: [] };
}

/** The invariants that hold in every scenario (I1 to I5, I9). */
function brokenPromises({ found, outOfOrder, ownErrors, accepted }: Findings): string[] {
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ["lost", found.lost],
    ["effects twice", found.doubleEffects],
    ["illegal moves", found.illegalMoves],
    ["acknowledged without an effect", found.ackedWithoutEffect],
    ["effects of messages that no caller sent", found.strayEffects],
    ["out of order", outOfOrder],
    ["errors of the services themselves", ownErrors],
  ];
  const wrong = lists.filter(([, list]) => list.length > 0).map(([name, list]) => `${list.length} ${name}: ${list[0]}`);
  return accepted === 0 ? ["no message was accepted", ...wrong] : wrong;
}

type Measured = Pick<ScenarioResult, "reconnectingMs" | "recoverMs" | "breakerOpenings" | "published" | "republished">;

function brokenLimits(limits: Limits, measured: Measured, findings: Findings): string[] {
  const { reconnectingMs, recoverMs, breakerOpenings } = measured;
  const { sent, accepted, facts } = findings;
  const wrong: string[] = [];
  const tooMuch = (name: string, value: number | null, limit: number | undefined, unit: string): void => {
    if (limit === undefined || (value !== null && value <= limit)) return;
    wrong.push(`${name}: ${value === null ? "never" : `${round(value)}${unit}`}, at most ${limit}${unit} allowed`);
  };
  tooMuch("RECONNECTING after the fault", reconnectingMs, limits.reconnectingMs, " ms");
  tooMuch("CONNECTED after the last fault", recoverMs, limits.recoverMs, " ms");
  tooMuch("breaker openings", breakerOpenings, limits.breakerOpenings, "");
  tooMuch("PUBLISHes per message", publishRatio(measured), limits.publishRatio, "");
  tooMuch("share of calls without 201", sent === 0 ? 0 : 1 - accepted / sent, limits.unansweredRatio ?? 0.01, "");
  tooMuch("p99 of the other destinations", facts.othersP99Ms, limits.othersP99Ms, " ms");
  if (limits.staysConnected && reconnectingMs !== null) wrong.push("the connection broke, and should not have");
  return wrong;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** Milliseconds from `begin` to the first sample with such a state; null when there is none. */
function firstAfter(samples: readonly Sample[], begin: number, is: (state: string | null) => boolean): number | null {
  const first = samples.find((sample) => sample.t >= begin && is(sample.state));
  return first === undefined ? null : first.t - begin;
}

/** Milliseconds from `end` to the last change to CONNECTED; null when the connection did not recover. */
function recoveryOf(samples: readonly Sample[], end: number): number | null {
  const lastBad = samples.findLastIndex((sample) => sample.state !== "CONNECTED");
  const back = samples.slice(lastBad + 1).find((sample) => sample.t >= end);
  return back === undefined ? null : Math.max(0, back.t - end);
}
