/**
 * A caller that sends continuously during faults, and remembers the answers.
 *
 * Every third message has an Idempotency-Key. While its answer is unknown, the caller repeats it under that key, as a careful
 * caller does. Other messages are never repeated: one with an unknown answer may be stored or not.
 */
import { randomUUID } from "node:crypto";
import type { Answer, PublisherProcess } from "./pair.ts";
import { anyTopic } from "./pair.ts";
import { until } from "./until.ts";

export interface TrafficOptions {
  /** Messages per second. */
  readonly rate: number;
  /** Publishers that are asked in turn; looked up for each message, because a killed publisher is replaced. */
  readonly publishers: () => readonly Pick<PublisherProcess, "post">[];
  /** The body of the n-th message; by default one of ten topics and its own text. */
  readonly body?: (n: number) => object;
  /** False: no message has an Idempotency-Key. */
  readonly keys?: boolean;
}

export interface TrafficReport {
  /** Ids that were answered with 201, or 200 for a repeated key. */
  readonly accepted: readonly string[];
  /** What was sent under each accepted id. */
  readonly bodies: ReadonlyMap<string, object>;
  readonly sent: number;
  readonly refused: number;
  readonly unknown: number;
  /** Statuses of requests that were not accepted; null: no answer. */
  readonly statuses: ReadonlyMap<number | null, number>;
  /** Longest wait for any answer, milliseconds. */
  readonly slowestMs: number;
}

export interface Traffic {
  readonly accepted: readonly string[];
  /** Resolves when `count` more messages are accepted. */
  more(count: number): Promise<void>;
  /** Stops sending. Resolves when each request has its answer and each key its id. */
  stop(): Promise<TrafficReport>;
}

const MOST_UNDER_WAY = 500;
const KEYED_EVERY = 3;
/** Half a minute in total, with the pause between them. */
const MOST_TRIES = 300;
const BETWEEN_TRIES_MS = 100;
const MORE_MS = 30_000;

export function startTraffic(options: TrafficOptions): Traffic {
  const topics = Array.from({ length: 10 }, anyTopic);
  const body = options.body ?? ((n: number) => ({ topic: topics[n % topics.length], content: `message ${n}` }));
  const accepted: string[] = [];
  const bodies = new Map<string, object>();
  const statuses = new Map<number | null, number>();
  const underWay = new Set<Promise<void>>();
  const counts = { sent: 0, refused: 0, unknown: 0, slowestMs: 0 };
  let stopping = false;

  async function sendOnce(message: object, key: string | null): Promise<Answer> {
    const all = options.publishers();
    const publisher = all[counts.sent % all.length];
    if (publisher === undefined) return { kind: "unknown", status: null, why: "no publisher" };
    const startedAt = performance.now();
    const answer = await publisher.post(message, key === null ? {} : { "idempotency-key": key });
    counts.slowestMs = Math.max(counts.slowestMs, performance.now() - startedAt);
    if (answer.kind !== "accepted") statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    return answer;
  }

  async function send(n: number): Promise<void> {
    const key = options.keys !== false && n % KEYED_EVERY === 0 ? randomUUID() : null;
    const message = body(n);
    let answer = await sendOnce(message, key);
    for (let tries = 1; key !== null && answer.kind === "unknown" && tries < MOST_TRIES; tries++) {
      await betweenTries();
      answer = await sendOnce(message, key);
    }
    if (answer.kind !== "accepted") {
      counts[answer.kind]++;
      return;
    }
    accepted.push(answer.id);
    bodies.set(answer.id, message);
  }

  const timer = setInterval(() => {
    if (stopping || underWay.size >= MOST_UNDER_WAY) return;
    const sending: Promise<void> = send(counts.sent++).finally(() => underWay.delete(sending));
    underWay.add(sending);
  }, 1_000 / options.rate);

  return {
    accepted,
    async more(count) {
      const goal = accepted.length + count;
      await until(() => accepted.length >= goal, MORE_MS, `${count} more messages to be accepted`);
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await Promise.all(underWay);
      return { accepted, bodies, ...counts, statuses };
    },
  };
}

/** A pause between two tries: no tight loop against an unreachable server. */
function betweenTries(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
}
