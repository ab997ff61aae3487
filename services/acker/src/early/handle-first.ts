/**
 * Runs the handlers of a batch under one lease, and writes those that answer at once with their outcome: each message is
 * written once, where the usual way writes it before its handler and after.
 *
 * Invariants:
 *  1. No handler begins before the batch's lease is committed, so its crash is counted, and no other acker runs it beside us.
 *  2. A handler begins once: what it answered, or is still to answer, goes the usual way with its message (`begun`).
 *  3. Whatever is not stored here is returned; the lease stands until `end`, or ends in the statement that stores the last.
 *
 * Handlers that wait for something outside gain nothing here and cost a statement more: after a batch of mostly such ones the
 * next are left to the usual way, and so they are after one that was known already or that PostgreSQL refused.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import { unlessAborted } from "@acktor/shared/runtime/pause";
import type { EarlyRun } from "../handle/early-run.ts";
import { type BatchLease, beginBatch, endBatch, leaveBatches } from "../inbox/batch-lease.ts";
import { type Fragment, shapeOf } from "../inbox/fragment.ts";
import type { InboxMessage } from "../inbox/message.ts";
import { type HeldBatch, type Incoming, isNew } from "../inbox/receive-messages.ts";
import { receiveProcessed, receiveWithEffects } from "../inbox/receive-with-effects.ts";
import type { ShapeTypes } from "../inbox/shape-types.ts";
import { shareStatements } from "../inbox/share-statements.ts";

export interface HandleFirstOptions {
  readonly pool: Pool;
  readonly shapes: ShapeTypes;
  /** This run of the process. */
  readonly run: string;
  /** Batches at a time. */
  readonly lanes: number;
  readonly leaseMs: number;
  /** Begins a handler. */
  readonly begin: (message: InboxMessage) => EarlyRun;
  readonly isExpired: (message: InboxMessage) => boolean;
  /** Aborted when waiting for the database makes no sense any more. */
  readonly signal: AbortSignal;
  readonly onTrouble: (failure: DbFailure) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface HandledFirst<T> {
  /** Processed, committed. */
  readonly stored: readonly T[];
  readonly rest: readonly T[];
  /** Handlers of the rest that have begun, by message id. */
  readonly begun: ReadonlyMap<string, EarlyRun>;
  /** Null: there is none, or it has ended. */
  readonly lease: HeldBatch | null;
  /** When the rest has its rows. */
  end(): Promise<void>;
}

export const NOT_HANDLED: HandledFirst<never> = {
  ...{ stored: [], rest: [], begun: new Map(), lease: null, end: () => Promise.resolve() },
};

/** Batches that go the usual way after one to which this was of no use. */
const LEAVE = 100;
const SLOW_MS = 50;
/** Of a stop's time. */
const LEAVE_MS = 300;

interface Commit<T> {
  readonly items: readonly T[];
  run(ending: BatchLease | null): ReturnType<typeof receiveProcessed>;
}

export class HandleFirst {
  readonly #options: HandleFirstOptions;
  readonly #lanes: number[];
  #leave = 0;

  constructor(options: HandleFirstOptions) {
    this.#options = options;
    this.#lanes = Array.from({ length: options.lanes }, (_, lane) => lane);
  }

  async handle<T extends Incoming>(groups: readonly T[]): Promise<HandledFirst<T>> {
    const { run, signal, isExpired } = this.#options;
    if (this.#leave > 0) {
      this.#leave--;
      return untouched(groups);
    }
    const taken = groups.filter((item) => isNew(item) && !isExpired(item.message));
    const lane = taken.length === 0 || signal.aborted ? undefined : this.#lanes.pop();
    if (lane === undefined) return untouched(groups);
    const lease = { run, lane, ids: taken.map(({ message }) => message.messageId).sort() };
    const begun = await this.#begin(lease);
    if (begun === "yes") return this.#handleUnder(lease, groups, taken);
    this.#leave = LEAVE;
    // It may have begun, or begin yet: then it is ours all the same, and ends when the messages have their rows.
    if (begun === "unknown") {
      return { ...untouched(groups), lease: { ...lease, isCertain: false }, end: () => this.#end(lease) };
    }
    this.#lanes.push(lane);
    return untouched(groups);
  }

  /** At a stop, when no handler runs any more: takes its rows away, where that is soon done. */
  async leave(): Promise<void> {
    const { pool, run, onTrouble } = this.#options;
    const answer = await unlessAborted(leaveBatches(pool, run), AbortSignal.timeout(LEAVE_MS));
    if (answer !== null && !answer.ok) onTrouble(answer.failure);
  }

  async #begin(lease: BatchLease): Promise<"yes" | "no" | "unknown"> {
    const { pool, leaseMs, signal, now } = this.#options;
    const startedAt = now();
    const answer = await unlessAborted(beginBatch(pool, lease, leaseMs), signal);
    // Something makes it slow, as an old snapshot does, which keeps every version of its rows: leave them in peace.
    if (now() - startedAt > SLOW_MS) this.#leave = LEAVE;
    if (answer?.ok) return answer.rows[0]?.begun === true ? "yes" : "no";
    return answer === null || answer.failure.maybeCommitted ? "unknown" : "no";
  }

  async #handleUnder<T extends Incoming>(
    lease: BatchLease,
    groups: readonly T[],
    taken: readonly T[],
  ): Promise<HandledFirst<T>> {
    const begun = new Map(taken.map(({ message }) => [message.messageId, this.#options.begin(message)]));
    // What waits for nothing outside has ended by then, an async function without a real wait, too.
    await new Promise((resolve) => setImmediate(resolve));
    const ready = taken.filter(({ message }) => isReady(begun.get(message.messageId)));
    if (ready.length * 2 < taken.length) this.#leave = LEAVE;
    const stored = await this.#store(ready, begun, ready.length === groups.length ? lease : null);
    if (stored.size === groups.length) {
      this.#lanes.push(lease.lane);
      return { ...untouched([]), stored: [...stored] };
    }
    if (stored.size < ready.length) this.#leave = LEAVE;
    const rest = groups.filter((item) => !stored.has(item));
    return { stored: [...stored], rest, begun, lease: { ...lease, isCertain: true }, end: () => this.#end(lease) };
  }

  /** @param ending ends with the last of them */
  async #store<T extends Incoming>(
    ready: readonly T[],
    begun: ReadonlyMap<string, EarlyRun>,
    ending: BatchLease | null,
  ): Promise<ReadonlySet<T>> {
    const commits = await this.#commitsOf(ready, begun);
    const stored = new Set<T>();
    for (const [at, commit] of commits.entries()) {
      const isLast = at === commits.length - 1 && stored.size + commit.items.length === ready.length;
      const answer = await unlessAborted(commit.run(isLast ? ending : null), this.#options.signal);
      if (answer?.ok) for (const item of commit.items) stored.add(item);
      if (answer === null || answer.ok || answer.failure.kind === "rejected") continue;
      // The others would wait as long, and the lease with them.
      this.#options.onTrouble(answer.failure);
      break;
    }
    return stored;
  }

  async #commitsOf<T extends Incoming>(
    ready: readonly T[],
    begun: ReadonlyMap<string, EarlyRun>,
  ): Promise<readonly Commit<T>[]> {
    const { pool, shapes } = this.#options;
    const effects: { item: T; effect: Fragment }[] = [];
    const plain: T[] = [];
    for (const item of ready) {
      const effect = effectOf(begun.get(item.message.messageId));
      if (effect === null) plain.push(item);
      else effects.push({ item, effect });
    }
    const commits: Commit<T>[] = (await shareStatements(effects, shapes)).map((statement) => ({
      items: statement.items.map(({ item }) => item),
      run: (ending) => receiveWithEffects(pool, statement, ending),
    }));
    if (plain.length > 0) commits.push({ items: plain, run: (ending) => receiveProcessed(pool, plain, ending) });
    return commits;
  }

  /** A lease that could not be ended makes suspects of nobody: its messages are in the inbox. */
  async #end(lease: BatchLease): Promise<void> {
    const answer = await unlessAborted(endBatch(this.#options.pool, lease), this.#options.signal);
    if (answer !== null && !answer.ok) this.#options.onTrouble(answer.failure);
    this.#lanes.push(lease.lane);
  }
}

function untouched<T>(rest: readonly T[]): HandledFirst<T> {
  return { ...NOT_HANDLED, rest };
}

/** Processed, with nothing to commit but what may stand beside others. */
function isReady(run: EarlyRun | undefined): boolean {
  if (run?.result?.kind !== "processed") return false;
  const { effect } = run.result;
  return effect === undefined || (effect.kind === "fragment" && shapeOf(effect).isPlainInsert);
}

function effectOf(run: EarlyRun | undefined): Fragment | null {
  const effect = run?.result?.kind === "processed" ? run.result.effect : undefined;
  return effect?.kind === "fragment" ? effect : null;
}
