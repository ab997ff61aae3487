/**
 * Runs the handlers of a batch under one lease, and writes those that answer immediately together with their outcome: each
 * message is written once, where the usual way writes it before its handler and after (docs/adr/0016).
 *
 * Handlers that wait for something outside gain nothing here and cost one more statement. So the next `SKIPPED` batches go
 * the usual way after a batch of mostly such handlers, after one with a message that was known already or that PostgreSQL
 * refused, and after a slow begin.
 *
 * Invariants:
 *  FIRST-1. No handler begins before the batch's lease is committed. So its crash is counted, and no other acker runs it at
 *           the same time.
 *  FIRST-2. A handler begins once: a message that is not stored here keeps its task (`begun`) on the usual way.
 *  FIRST-3. Every message that is not stored here is returned. The lease holds until `end`, or ends in the statement that
 *           stores the last message.
 *  FIRST-4. A begin whose answer was lost may have taken the lease: no handler begins, and the lease is ended like any other.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import { unlessAborted } from "@acktor/shared/runtime/pause";
import type { BatchLease } from "../inbox/batch-lease.ts";
import type { Reports } from "../inbox/database-watch.ts";
import { type Fragment, shapeOf } from "../inbox/fragment.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { InboxMessage } from "../inbox/message.ts";
import { type HeldBatch, type Incoming, isNew } from "../inbox/receive-messages.ts";
import { type SharedStatement, shareStatements } from "../inbox/share-statements.ts";
import type { Lifetimes } from "./batch-store.ts";
import type { Task } from "./task.ts";

/** Begins handlers. */
export interface Begins {
  begin(message: InboxMessage): Task;
}

export interface HandleFirstParts {
  readonly inbox: Pick<
    Inbox,
    "shapes" | "beginBatch" | "endBatch" | "leaveBatches" | "receiveProcessed" | "receiveWithEffects"
  >;
  readonly runs: Begins;
  readonly lifetimes: Lifetimes;
  readonly troubles: Reports;
  readonly clock: Pick<Clock, "now">;
  /** Name of this run of the process. */
  readonly run: string;
  readonly leaseMs: number;
  /** Aborted when the stop gives up waiting for the database. */
  readonly signal: AbortSignal;
}

export interface HandledFirst<T> {
  /** Processed and committed. */
  readonly stored: readonly T[];
  readonly rest: readonly T[];
  /** Tasks of the rest whose handlers have begun, by message id. */
  readonly begun: ReadonlyMap<string, Task>;
  /** Null: there is none, or it has ended. */
  readonly lease: HeldBatch | null;
}

/** One statement for some of the messages. */
interface Commit<T> {
  readonly items: readonly T[];
  /** Null: none of them has an effect. */
  readonly effects: SharedStatement<{ readonly item: T; readonly effect: Fragment }> | null;
}

const AREA = "inbox";
/** One batch is handled at a time, so a process needs one slot. */
const SLOT = 0;
const SKIPPED = 100;
const SLOW_MS = 50;
const LEAVE_MS = 300;
const NO_TASKS: ReadonlyMap<string, Task> = new Map();

export class HandleFirst {
  readonly #parts: HandleFirstParts;
  /** Batches that go the usual way from now on. Written by every step of a batch. */
  #skipped = 0;
  /** A lease is taken, or may be. Written by `handle` and `end`. */
  #isLeased = false;

  constructor(parts: HandleFirstParts) {
    this.#parts = parts;
  }

  async handle<T extends Incoming>(groups: readonly T[]): Promise<HandledFirst<T>> {
    const { run, signal, lifetimes } = this.#parts;
    if (this.#skipped > 0) {
      this.#skipped--;
      return untouched(groups);
    }
    const taken = groups.filter((item) => isNew(item) && !lifetimes.isExpired(item.message));
    if (taken.length === 0 || signal.aborted || this.#isLeased) return untouched(groups);
    const lease = { run, slot: SLOT, ids: taken.map(({ message }) => message.messageId).sort() };
    this.#isLeased = true;
    const begun = await this.#begin(lease);
    // FIRST-1
    if (begun === "yes") return this.#handleUnder(lease, groups, taken);
    this.#skipped = SKIPPED;
    // FIRST-4
    if (begun === "unknown") return { ...untouched(groups), lease: { ...lease, isCertain: false } };
    this.#isLeased = false;
    return untouched(groups);
  }

  /** The rest has its rows. A lease that could not be ended does no harm: its messages are in the inbox. */
  async end({ lease }: HandledFirst<unknown>): Promise<void> {
    if (lease === null) return;
    const { inbox, signal, troubles } = this.#parts;
    const answer = await unlessAborted(inbox.endBatch(lease), signal);
    if (answer !== null) troubles.report(AREA, answer);
    this.#isLeased = false;
  }

  /** At a stop, when no handler runs any more: deletes the rows of this run, if the database answers soon. */
  async leave(): Promise<void> {
    const { inbox, run, troubles } = this.#parts;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), LEAVE_MS);
    const answer = await unlessAborted(inbox.leaveBatches(run), late.signal);
    clearTimeout(timer);
    if (answer !== null) troubles.report(AREA, answer);
  }

  async #begin(lease: BatchLease): Promise<"yes" | "no" | "unknown"> {
    const { inbox, leaseMs, signal, clock } = this.#parts;
    const startedAt = clock.now();
    const answer = await unlessAborted(inbox.beginBatch(lease, leaseMs), signal);
    // The cause may be an old snapshot, which keeps every version of its rows: fewer begins make fewer versions.
    if (clock.now() - startedAt > SLOW_MS) this.#skipped = SKIPPED;
    if (answer?.ok) return answer.rows[0]?.begun === true ? "yes" : "no";
    return answer === null || answer.failure.maybeCommitted ? "unknown" : "no";
  }

  async #handleUnder<T extends Incoming>(
    lease: BatchLease,
    groups: readonly T[],
    taken: readonly T[],
  ): Promise<HandledFirst<T>> {
    const begun = new Map(taken.map(({ message }) => [message.messageId, this.#parts.runs.begin(message)]));
    // A handler that waits for nothing outside has ended by then, even an async function.
    await new Promise((resolve) => setImmediate(resolve));
    const ready = taken.filter(({ message }) => isReady(begun.get(message.messageId)));
    if (ready.length * 2 < taken.length) this.#skipped = SKIPPED;
    const stored = await this.#store(ready, begun, ready.length === groups.length ? lease : null);
    // FIRST-3
    if (stored.size === groups.length) {
      this.#isLeased = false;
      return { ...untouched([]), stored: [...stored] };
    }
    if (stored.size < ready.length) this.#skipped = SKIPPED;
    // FIRST-2
    const rest = groups.filter((item) => !stored.has(item));
    return { stored: [...stored], rest, begun, lease: { ...lease, isCertain: true } };
  }

  /** @param ending the lease that ends with the last of them */
  async #store<T extends Incoming>(
    ready: readonly T[],
    begun: ReadonlyMap<string, Task>,
    ending: BatchLease | null,
  ): Promise<ReadonlySet<T>> {
    const { signal, troubles } = this.#parts;
    const commits = await this.#commitsOf(ready, begun);
    const stored = new Set<T>();
    for (const [at, commit] of commits.entries()) {
      const isLast = at === commits.length - 1 && stored.size + commit.items.length === ready.length;
      const answer = await unlessAborted(this.#commit(commit, isLast ? ending : null), signal);
      if (answer?.ok) for (const item of commit.items) stored.add(item);
      if (answer === null || (!answer.ok && answer.failure.kind === "rejected")) continue;
      // The others would wait as long, and the lease with them.
      if (!troubles.report(AREA, answer).ok) break;
    }
    return stored;
  }

  #commit<T extends Incoming>({ items, effects }: Commit<T>, ending: BatchLease | null) {
    const { inbox } = this.#parts;
    return effects === null ? inbox.receiveProcessed(items, ending) : inbox.receiveWithEffects(effects, ending);
  }

  async #commitsOf<T extends Incoming>(
    ready: readonly T[],
    begun: ReadonlyMap<string, Task>,
  ): Promise<readonly Commit<T>[]> {
    const withEffects: { item: T; effect: Fragment }[] = [];
    const plain: T[] = [];
    for (const item of ready) {
      const effect = effectOf(begun.get(item.message.messageId));
      if (effect === null) plain.push(item);
      else withEffects.push({ item, effect });
    }
    const statements = await shareStatements(withEffects, this.#parts.inbox.shapes);
    const commits = statements.map((effects): Commit<T> => ({ items: effects.items.map(({ item }) => item), effects }));
    if (plain.length > 0) commits.push({ items: plain, effects: null });
    return commits;
  }
}

/** All of them go the usual way. */
export function untouched<T>(rest: readonly T[]): HandledFirst<T> {
  return { stored: [], rest, begun: NO_TASKS, lease: null };
}

/** Processed, without an effect or with a plain insert. */
function isReady(task: Task | undefined): boolean {
  if (task?.state.kind !== "FINISHING" || task.state.outcome.status !== "processed") return false;
  const { effect } = task.state.outcome;
  return effect === null || (effect.kind === "fragment" && shapeOf(effect).isPlainInsert);
}

function effectOf(task: Task | undefined): Fragment | null {
  const effect = task?.state.kind === "FINISHING" ? task.state.outcome.effect : null;
  return effect?.kind === "fragment" ? effect : null;
}
