/**
 * The handlers of the simulation. The content of a message decides what its handler does, so each seed mixes handlers that
 * answer immediately or later, with and without effects, that fail, hang, reject, take long, or kill their acker.
 */
import type { Effect } from "@acktor/acker/inbox/effect";
import { sql } from "@acktor/acker/inbox/fragment";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import type { AfterHandler, HandleContext, HandleResult, RoutedHandler } from "@acktor/acker/process/handlers/handler";
import { REFUSED_EFFECT } from "./inbox-table.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

export const WORKS = [
  "answers",
  "answers later",
  "writes",
  "writes later",
  "runs a transaction",
  "throws once",
  "asks for a retry once",
  "hangs once",
  "kills once",
  "is slow",
  "refuses",
  "writes what is refused",
  "kills always",
] as const;

export type Work = (typeof WORKS)[number];

/** Works of plans in which no handler fails or hangs. */
export const CALM_WORKS: readonly Work[] = [
  "answers",
  "answers later",
  "writes later",
  "runs a transaction",
  "is slow",
];
/** Works of plans whose batches are written in one statement, as most are in production. */
export const QUICK_WORKS: readonly Work[] = ["answers", "writes", "answers later"];

/** Works whose message is marked failed; all other messages are acknowledged. */
export const FAILING: ReadonlySet<Work> = new Set(["refuses", "writes what is refused", "kills always"]);

/** The topic of handlers that may take long. */
export const SLOW_TOPIC = "sim/slow";
/** Longer than a stop takes. */
const SLOW_MS = 5_000;
const TIMEOUT_MS = 1_000;
const SLOW_TIMEOUT_MS = 10_000;
const LATER_MS = [5, 300] as const;
const CONCURRENCY = 4;

export interface HandlerWitness {
  /** A handler starts. @returns how often it started before, in any process */
  began(process: SimProcess, messageId: string): number;
  /** A slow handler ends. */
  ended(process: SimProcess, messageId: string): void;
  /** The acker dies in this handler. */
  killed(process: SimProcess, messageId: string): void;
}

export function simHandler(time: VirtualTime, owner: SimProcess, witness: HandlerWitness): RoutedHandler {
  const handler = new SimHandler(time, owner, witness);
  const route = { handler, concurrency: CONCURRENCY };
  return {
    name: "simulated",
    mode: "routed",
    routes: [
      { ...route, filter: `${SLOW_TOPIC}/#`, timeoutMs: SLOW_TIMEOUT_MS },
      { ...route, filter: null, timeoutMs: TIMEOUT_MS },
    ],
  };
}

/** The work in the content of a message. */
export function workOf(content: string): Work {
  const work = content.slice(content.lastIndexOf(": ") + 2);
  return WORKS.find((known) => known === work) ?? "answers";
}

const PROCESSED: HandleResult = { kind: "processed" };

class SimHandler implements AfterHandler {
  readonly name = "simulated";
  readonly mode = "after";
  readonly #time: VirtualTime;
  readonly #owner: SimProcess;
  readonly #witness: HandlerWitness;

  constructor(time: VirtualTime, owner: SimProcess, witness: HandlerWitness) {
    this.#time = time;
    this.#owner = owner;
    this.#witness = witness;
  }

  handle(message: InboxMessage, { working }: HandleContext): HandleResult | Promise<HandleResult> {
    const isFirst = this.#witness.began(this.#owner, message.messageId) === 0;
    const work = workOf(message.content);
    switch (work) {
      case "answers":
        return PROCESSED;
      case "answers later":
        return this.#later(LATER_MS, PROCESSED);
      case "writes":
        return { kind: "processed", effect: written(message) };
      case "writes later":
        return this.#later(LATER_MS, { kind: "processed", effect: written(message) });
      case "runs a transaction":
        return { kind: "processed", effect: transaction(message) };
      case "writes what is refused":
        return { kind: "processed", effect: sql`insert into effects values (${REFUSED_EFFECT}, ${message.content})` };
      case "refuses":
        return { kind: "rejected", reason: "not wanted", retryable: false };
      case "is slow":
        working(SLOW_MS);
        return this.#slowly(message);
      case "kills always":
        return this.#kill(message);
      default:
        return isFirst ? this.#failOnce(work, message) : PROCESSED;
    }
  }

  #failOnce(work: Work, message: InboxMessage): HandleResult | Promise<HandleResult> {
    if (work === "throws once") throw new Error("the handler throws");
    if (work === "kills once") return this.#kill(message);
    if (work === "hangs once") return new Promise(() => undefined);
    return { kind: "rejected", reason: "not now", retryable: true, retryAfterMs: 100 };
  }

  /** Kills the process in the next turn. */
  #kill({ messageId }: InboxMessage): Promise<HandleResult> {
    this.#time.later(0, () => this.#witness.killed(this.#owner, messageId));
    return new Promise(() => undefined);
  }

  async #slowly({ messageId }: InboxMessage): Promise<HandleResult> {
    const result = await this.#later([SLOW_MS, SLOW_MS], PROCESSED);
    this.#witness.ended(this.#owner, messageId);
    return result;
  }

  #later([least, most]: readonly [number, number], result: HandleResult): Promise<HandleResult> {
    const delayMs = least + (most - least) * ((this.#time.now * 997) % 1);
    return new Promise((resolve) => setTimeout(() => resolve(result), delayMs));
  }
}

function written({ messageId, content }: InboxMessage): Effect {
  return sql`insert into effects values (${messageId}, ${content})`;
}

function transaction({ messageId, content }: InboxMessage): Effect {
  return {
    kind: "transaction",
    async work(query) {
      await query("insert into effects values ($1)", [messageId]);
      await query("insert into effects values ($1)", [content]);
    },
  };
}
