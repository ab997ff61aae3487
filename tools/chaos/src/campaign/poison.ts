/**
 * Poison messages of three kinds. The handler of the first kind throws each time, until the retries are used up. The second
 * kind kills its acker, until it has done so three times. The third kind succeeds, between the other two.
 *
 * The history gets the expected final state of each poison message when the message is accepted. The poisoned acker is
 * started again after each death until `stop`, and each death is a kill in the history.
 */
import { pause } from "@acktor/shared/runtime/pause";
import type { History } from "../workload/history.ts";
import { builtLab } from "../world/built.ts";
import { type Child, startChild } from "../world/child.ts";
import type { World } from "../world/world.ts";

export const POISON_TOPICS = { fine: "poison/fine", throws: "poison/throws", kills: "poison/kills" } as const;

/** The name of the poisoned acker in the kills of a history. */
export const POISONED_ACKER = "poisoned acker";

export interface PoisonCounts {
  readonly throws: number;
  readonly kills: number;
  readonly fine: number;
}

export interface Poison {
  /** Resolves when all poison messages are accepted, or when the signal is aborted. */
  readonly sent: Promise<void>;
  /** Stops the poisoned acker. A second call has no effect. */
  stop(): Promise<void>;
}

export interface PoisonOptions {
  readonly world: World;
  readonly history: History;
  readonly counts: PoisonCounts;
  readonly ackSecret: string;
  readonly signal: AbortSignal;
}

const EVERY_MS = 250;
const CALL_LIMIT_MS = 6_000;
const RETRIES_OF_THROWS = 2;
/** Between a death and the next start; a real supervisor waits, too. */
const RESTART_MS = 200;

/** Starts immediately. */
export function spreadPoison(options: PoisonOptions): Poison {
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  let child: Child | null = null;
  const living = (async () => {
    while (!signal.aborted) {
      child = startPoisonedAcker(options);
      await child.exited;
      if (child.ended() === "SIGKILL" && !signal.aborted) options.history.add({ op: "kill", what: POISONED_ACKER });
      await pause(RESTART_MS, signal);
    }
  })();
  return {
    sent: sendAll(options, signal),
    async stop() {
      over.abort();
      await child?.stop();
      await living;
    },
  };
}

function startPoisonedAcker({ world, ackSecret }: PoisonOptions): Child {
  const env = {
    DATABASE_URL: world.databaseUrl,
    MQTT_URL: `mqtt://127.0.0.1:${world.units.broker.port}`,
    ACKTOR_ACK_SECRET: ackSecret,
  };
  return startChild({ file: process.execPath, args: [builtLab("campaign/poison-acker.js")], env });
}

type Kind = keyof PoisonCounts;

async function sendAll({ world, history, counts }: PoisonOptions, signal: AbortSignal): Promise<void> {
  for (const [n, kind] of mixed(counts).entries()) {
    const id = await sendOne(world.units.publisher.url, kind, n, signal);
    if (id === null) return;
    history.add({ op: "poison", id, ends: kind === "fine" ? "acknowledged" : "failed" });
    if (!(await pause(EVERY_MS, signal))) return;
  }
}

/** Mixes the kinds evenly. */
function mixed(counts: PoisonCounts): Kind[] {
  const kinds: readonly Kind[] = ["throws", "kills", "fine"];
  const placed = kinds.flatMap((kind) =>
    Array.from({ length: counts[kind] }, (_, n) => ({ kind, at: (n + 0.5) / counts[kind] })),
  );
  return placed.toSorted((a, b) => a.at - b.at).map(({ kind }) => kind);
}

/** Sends one message with an idempotency key, and repeats the call until the message is accepted. */
async function sendOne(url: string, kind: Kind, n: number, signal: AbortSignal): Promise<string | null> {
  const body = {
    topic: POISON_TOPICS[kind],
    content: `poison ${n}:${kind}`,
    ...(kind === "throws" ? { max_retries: RETRIES_OF_THROWS } : {}),
  };
  const headers = { "content-type": "application/json", "idempotency-key": `poison-${n}` };
  while (!signal.aborted) {
    try {
      const limit = AbortSignal.any([AbortSignal.timeout(CALL_LIMIT_MS), signal]);
      const options = { method: "POST", headers, body: JSON.stringify(body), signal: limit };
      const { message_id: id } = (await (await fetch(`${url}/v1/messages`, options)).json()) as { message_id?: string };
      if (id !== undefined) return id;
    } catch {
      // The publisher was killed, frozen or cut off. The key makes it safe to repeat the call.
    }
    await pause(EVERY_MS, signal);
  }
  return null;
}
