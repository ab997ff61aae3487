/**
 * The traffic: callers that send continuously over HTTP during the faults and record the answers.
 *
 * Invariants:
 *  TRAFFIC-1. An answer is ok, refused or unknown. A 5xx, a timeout, a reset and an incomplete body are unknown.
 *  TRAFFIC-2. A third of the messages has an Idempotency-Key. These are repeated until their answer is known; the others are
 *             never repeated.
 *  TRAFFIC-3. The seed decides the content of the messages.
 */
import http from "node:http";
import { pause } from "@acktor/shared/runtime/pause";
import { pick, type Random, seededRandom, wholeBetween } from "../seeded-random.ts";
import type { History } from "./history.ts";

export interface WritersOptions {
  readonly url: string;
  readonly seed: number;
  /** Messages per second, of all writers together. */
  readonly rate: number;
  readonly history: History;
  /** The first levels of all topics: `<root>/d0` … */
  readonly topicRoot: string;
  readonly writers?: number;
  readonly destinations?: number;
  readonly orderingKeys?: number;
}

export interface Writers {
  /** How many messages were accepted so far. */
  accepted(): number;
  sent(): number;
  /** Stops sending; resolves when each call has its answer and each key its id, or after `limitMs`. */
  stop(limitMs: number): Promise<void>;
}

export const KEYED_EVERY = 3;
const LEAST_BYTES = 64;
const MOST_BYTES = 4_096;
const CALL_LIMIT_MS = 6_000;
const BETWEEN_TRIES_MS = 100;

interface Message {
  readonly n: number;
  readonly key: string | null;
  readonly body: string;
}

type Answer =
  | { readonly kind: "ok"; readonly status: number; readonly id: string }
  | { readonly kind: "refused"; readonly status: number }
  | { readonly kind: "unknown"; readonly status: number | null };

/** Starts the writers immediately. */
export function startWriters(options: WritersOptions): Writers {
  const { rate, writers = 8, history } = options;
  const agent = new http.Agent({ keepAlive: true, maxSockets: writers * 2 });
  const compose = composer(options);
  const over = new AbortController();
  const limit = new AbortController();
  const begin = performance.now();
  const counts = { accepted: 0, sent: 0 };

  async function write(): Promise<void> {
    for (;;) {
      const message = compose();
      const dueMs = begin + (1_000 * message.n) / rate - performance.now();
      if (dueMs > 0 && !(await pause(dueMs, over.signal))) return;
      if (over.signal.aborted) return;
      await send(message);
    }
  }

  async function send(message: Message): Promise<void> {
    for (;;) {
      counts.sent++;
      history.add({ op: "send", n: message.n, key: message.key });
      const answer = await call(agent, options.url, message, limit.signal);
      history.add({ op: "answer", n: message.n, ...answer });
      if (answer.kind === "ok") counts.accepted++;
      // TRAFFIC-2. A 429 is temporary: the message was not accepted, and the caller tries again.
      const again = answer.kind === "unknown" || (answer.kind === "refused" && answer.status === 429);
      if (!again || message.key === null) return;
      if (!(await pause(BETWEEN_TRIES_MS, limit.signal))) return;
    }
  }

  const loops = Array.from({ length: writers }, () => write());
  return {
    accepted: () => counts.accepted,
    sent: () => counts.sent,
    async stop(limitMs) {
      over.abort();
      const timer = setTimeout(() => limit.abort(), limitMs);
      await Promise.all(loops);
      clearTimeout(timer);
      agent.destroy();
    },
  };
}

/** Composes the bodies, one after the other. */
function composer({ seed, topicRoot, destinations = 10, orderingKeys = 20 }: WritersOptions): () => Message {
  const random = seededRandom(seed); // TRAFFIC-3
  const topics = Array.from({ length: destinations }, (_, i) => `${topicRoot}/d${i}`);
  let next = 0;
  return () => {
    const n = next++;
    const content = `${n}:${filler(random, wholeBetween(random, LEAST_BYTES, MOST_BYTES))}`;
    const ordered = random() < 0.5;
    const body = JSON.stringify({
      topic: pick(random, topics),
      content,
      ...(ordered ? { ordering_key: `k${wholeBetween(random, 0, orderingKeys - 1)}` } : {}),
    });
    return { n, key: n % KEYED_EVERY === 0 ? `lab-${seed}-${n}` : null, body };
  };
}

function filler(random: Random, bytes: number): string {
  return String.fromCharCode(97 + Math.floor(random() * 26)).repeat(bytes);
}

function call(agent: http.Agent, url: string, message: Message, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    const unknown = (status: number | null): void => resolve({ kind: "unknown", status });
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(message.body),
      ...(message.key === null ? {} : { "idempotency-key": message.key }),
    };
    const limit = AbortSignal.any([AbortSignal.timeout(CALL_LIMIT_MS), signal]);
    const request = http.request(`${url}/v1/messages`, { method: "POST", agent, headers, signal: limit });
    request.on("error", () => unknown(null));
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => unknown(null));
      response.on("end", () => resolve(judgeAnswer(response.statusCode ?? 0, Buffer.concat(chunks).toString("utf8"))));
    });
    request.end(message.body);
  });
}

function judgeAnswer(status: number, text: string): Answer {
  // TRAFFIC-1
  if (status >= 400 && status < 500) return { kind: "refused", status };
  if (status !== 200 && status !== 201) return { kind: "unknown", status };
  try {
    const { message_id: id } = JSON.parse(text) as { message_id?: unknown };
    if (typeof id === "string") return { kind: "ok", status, id };
  } catch {
    // The body is incomplete, so the outcome is unknown.
  }
  return { kind: "unknown", status };
}
