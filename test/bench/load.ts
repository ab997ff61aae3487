/**
 * The caller: messages by HTTP on a few connections that are kept.
 *
 * Invariants:
 *  1. Bodies are made before the clock starts: what a caller spends on its JSON is not acktor's.
 *  2. Bounded: never more requests under way than connections, and 429 or 503 are asked again until the limit of time.
 */
import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";

export interface LoadOptions {
  /** Address of the publisher. */
  readonly url: string;
  readonly topics: number;
  readonly contentBytes: number;
}

const GIVE_UP_MS = 120_000;

export class Caller {
  readonly #agent: Agent;
  readonly #url: string;

  constructor(url: string, connections: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: "fifo" });
    this.#url = url;
  }

  /** Sends a body, again while the answer is 429 or 503; gives the body of the 201, throws for any other answer. */
  async post(path: string, body: Buffer): Promise<string> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (;;) {
      const { status, retryAfter, text } = await this.#post(path, body);
      if (status === 201) return text;
      if ((status !== 429 && status !== 503) || performance.now() > giveUpAt)
        throw new Error(`${path}: ${status} ${text.slice(0, 1_000)}`);
      await new Promise((resolve) => setTimeout(resolve, retryAfter * 1_000));
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(path: string, body: Buffer): Promise<{ status: number; retryAfter: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": body.length };
      const call = request(`${this.#url}${path}`, { method: "POST", agent: this.#agent, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.once("error", reject);
        response.once("end", () => {
          resolve({ status: response.statusCode ?? 0, retryAfter: Number(response.headers["retry-after"] ?? 1), text });
        });
      });
      call.once("error", reject);
      call.end(body);
    });
  }
}

/** One message as its sender writes it, of `contentBytes` that do not repeat. */
export function messageOf(index: number, { topics, contentBytes }: Omit<LoadOptions, "url">): Record<string, unknown> {
  const content = randomBytes(Math.ceil(contentBytes / 2))
    .toString("hex")
    .slice(0, contentBytes);
  return { topic: `bench/${index % topics}`, content };
}

/** Bodies of `/v1/messages/batch`, `messages` in all. */
export function batchBodies(messages: number, batch: number, options: Omit<LoadOptions, "url">): Buffer[] {
  const bodies: Buffer[] = [];
  for (let first = 0; first < messages; first += batch) {
    const count = Math.min(batch, messages - first);
    const items = Array.from({ length: count }, (_, i) => messageOf(first + i, options));
    bodies.push(Buffer.from(JSON.stringify({ messages: items })));
  }
  return bodies;
}

export interface FeedOptions {
  readonly caller: Caller;
  readonly bodies: readonly Buffer[];
  readonly connections: number;
  /** Resolves when the next batch may be sent. */
  readonly mayGoOn: () => Promise<void>;
}

/** Sends every body; each connection takes the next one when its answer came. */
export async function feed({ caller, bodies, connections, mayGoOn }: FeedOptions): Promise<void> {
  const queue = bodies.values();
  const work = async (): Promise<void> => {
    for (const body of queue) {
      await mayGoOn();
      await caller.post("/v1/messages/batch", body);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
}
