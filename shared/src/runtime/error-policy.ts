/**
 * Decides what to do with a failed delivery, per error type and MQTT reason code. Pure.
 *
 * Invariants:
 *  POLICY-1. Without a matching rule the built-in behaviour applies: a retry after the ack timeout and a random part of a step
 *     that doubles.
 *  POLICY-2. The first matching rule decides.
 *  POLICY-3. A policy of user code that throws, or returns no decision, counts as none, and is reported once.
 */
import { z } from "zod";
import type { ErrorType } from "./error-type.ts";

/** The failure of one PUBLISH, or of its processing. */
export interface DeliveryError {
  readonly type: ErrorType;
  /**
   *  - `publish_refused`: PUBACK of 0x80 or above;
   *  - `publish_lost`: the connection ended, or no PUBACK came;
   *  - `ack_timeout`: published, but no ack arrived;
   *  - `rejected`: a receiver rejects it, permanently or for now.
   */
  readonly on: "publish_refused" | "publish_lost" | "ack_timeout" | "rejected";
  /** Of a refused PUBLISH. */
  readonly reasonCode: number | null;
  readonly reason: string;
  readonly topic: string;
}

export type Decision =
  | { readonly kind: "default" }
  /** Retry after so many milliseconds; after an ack timeout, counted from that timeout. */
  | { readonly kind: "retry"; readonly inMs: number }
  /** Park the destination: its messages wait, and single messages probe whether it answers again. */
  | { readonly kind: "pause" }
  /** Mark the message failed. */
  | { readonly kind: "dead_letter"; readonly reason: string };

/**
 * @param attempt PUBLISHes of the message so far; 1 after the first
 * @param ageMs milliseconds since it was stored
 */
export type ErrorPolicy = (error: DeliveryError, attempt: number, ageMs: number) => Decision;

const DEFAULT: Decision = { kind: "default" };
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MOST_MS = 3_650 * 86_400_000;
/** More doublings change nothing and would overflow. */
const MAX_DOUBLINGS = 30;

const duration = z.string().transform((text, context) => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) * (UNITS[match[2] ?? ""] ?? Number.NaN);
  if (value >= 0 && value <= MOST_MS) return value;
  context.addIssue({ code: "custom", message: "is not a duration such as 250ms, 30s, 5m, 24h or 7d" });
  return z.NEVER;
});

const reasonCode = z.union([z.int().min(0x80).max(0xff), z.string().regex(/^0x[89a-fA-F][0-9a-fA-F]$/)], {
  error: "is not a reason code of 0x80 to 0xff",
});

const backoff = z.strictObject({
  kind: z.enum(["fixed", "linear", "exponential"]).default("exponential"),
  base: duration,
  cap: duration.default(MOST_MS),
  /** Random share of the pause, 0 to 1. */
  jitter: z.number().min(0).max(1).default(0.5),
});

const conditions = {
  type: z.enum(["network", "authentication", "timeout", "protocol", "application"]).optional(),
  on: z.enum(["publish_refused", "publish_lost", "ack_timeout", "rejected"]).optional(),
  code: reasonCode.transform(Number).optional(),
  /** From this attempt on. */
  attempts: z.int().min(1).optional(),
  older_than: duration.optional(),
};

const rule = z.discriminatedUnion("do", [
  z.strictObject({ ...conditions, do: z.literal("retry"), backoff }),
  z.strictObject({ ...conditions, do: z.literal("pause") }),
  z.strictObject({ ...conditions, do: z.literal("dead_letter"), reason: z.string().min(1).max(200).optional() }),
]);

const policySchema = z.strictObject({ rules: z.array(rule).max(100) });

export type PolicyRules = z.output<typeof policySchema>["rules"];

/** ACKTOR_POLICY as JSON; the fault names the rule and its field. */
export function policyRules(): z.ZodType<PolicyRules, string> {
  return z.string().transform((text, context) => {
    const parsed = policySchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data.rules;
    const [issue] = parsed.error.issues;
    const where =
      issue?.path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("") ?? "";
    context.addIssue({
      code: "custom",
      message: `${where.replace(/^\./, "") || "value"} ${issue?.message ?? ""}`.trim(),
    });
    return z.NEVER;
  });
}

/** A policy of rules. @param random uniform in [0, 1) */
export function createPolicy(rules: PolicyRules, random: () => number): ErrorPolicy {
  return (error, attempt, ageMs) => {
    // POLICY-2
    const found = rules.find((candidate) => matches(candidate, error, attempt, ageMs));
    if (found === undefined) return DEFAULT; // POLICY-1
    if (found.do === "pause") return { kind: "pause" };
    if (found.do === "retry") return { kind: "retry", inMs: pauseMs(found.backoff, attempt, random) };
    return { kind: "dead_letter", reason: found.reason ?? `policy: ${error.on}: ${error.reason}` };
  };
}

/** A policy of user code whose faults are caught. @param onFault receives the first fault */
export function guardPolicy(policy: ErrorPolicy, onFault: (why: string) => void): ErrorPolicy {
  let told = false;
  return (error, attempt, ageMs) => {
    try {
      const decision = policy(error, attempt, ageMs);
      if (isDecision(decision)) return decision;
      throw new TypeError("the policy returned no decision");
    } catch (fault) {
      // POLICY-3
      if (!told) onFault(fault instanceof Error ? fault.message : String(fault));
      told = true;
      return DEFAULT;
    }
  };
}

function matches(rule: PolicyRules[number], error: DeliveryError, attempt: number, ageMs: number): boolean {
  return (
    (rule.type === undefined || rule.type === error.type) &&
    (rule.on === undefined || rule.on === error.on) &&
    (rule.code === undefined || rule.code === error.reasonCode) &&
    attempt >= (rule.attempts ?? 0) &&
    ageMs >= (rule.older_than ?? 0)
  );
}

function pauseMs({ kind, base, cap, jitter }: z.output<typeof backoff>, attempt: number, random: () => number): number {
  const steps = { fixed: 1, linear: attempt, exponential: 2 ** Math.min(attempt - 1, MAX_DOUBLINGS) };
  const whole = Math.min(cap, base * steps[kind]);
  return whole * (1 - jitter) + random() * whole * jitter;
}

function isDecision(value: unknown): value is Decision {
  const { kind, inMs, reason } = (value ?? {}) as Record<string, unknown>;
  if (kind === "retry") return typeof inMs === "number" && inMs >= 0 && inMs <= MOST_MS;
  if (kind === "dead_letter") return typeof reason === "string" && reason !== "";
  return kind === "default" || kind === "pause";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
