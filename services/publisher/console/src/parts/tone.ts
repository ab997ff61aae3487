/** The severity of a state; shown by shape, word and colour together. */
export type Tone = "ok" | "busy" | "warn" | "bad" | "idle";

const TONES: Readonly<Record<string, Tone>> = {
  CONNECTED: "ok",
  CLOSED: "ok",
  RUNNING: "ok",
  LISTENING: "ok",
  SENDING: "ok",
  WORKING: "busy",
  CLAIMING: "busy",
  CONNECTING: "busy",
  STARTING: "busy",
  HALF_OPEN: "warn",
  RECONNECTING: "warn",
  PAUSED: "warn",
  DRAINING: "warn",
  ERROR: "bad",
  OPEN: "bad",
  acknowledged: "ok",
  sent: "busy",
  pending: "busy",
  failed: "bad",
  expired: "warn",
  ok: "ok",
  away: "bad",
  "audit.done": "ok",
  "audit.refused": "warn",
  "audit.unanswered": "warn",
  "audit.unauthorized": "bad",
  "audit.forbidden": "bad",
};

export function toneOf(state: string): Tone {
  return (Object.hasOwn(TONES, state) && TONES[state]) || "idle";
}

const GRAVITY: readonly Tone[] = ["bad", "warn", "busy", "ok", "idle"];

/** The most severe of several. */
export function gravest(tones: readonly Tone[]): Tone {
  return GRAVITY.find((tone) => tones.includes(tone)) ?? "idle";
}
