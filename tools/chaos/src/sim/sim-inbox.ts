/** The port `Inbox` of one process, on the simulated database: its verbs take time, fail, and end with the process. */
import type { BatchLease } from "@acktor/acker/inbox/batch-lease";
import type { EffectOf } from "@acktor/acker/inbox/commit-effects";
import type { TransactionEffect } from "@acktor/acker/inbox/effect";
import type { Finished } from "@acktor/acker/inbox/finish-messages";
import type { Inbox, InboxPrepared, Moved } from "@acktor/acker/inbox/inbox";
import type { Cleaned } from "@acktor/acker/inbox/keep-partitions";
import type { Incoming, Receipt, ReceiveOptions } from "@acktor/acker/inbox/receive-messages";
import type { IncomingWithEffect } from "@acktor/acker/inbox/receive-with-effects";
import type { Lease } from "@acktor/acker/inbox/renew-leases";
import type { Shapes } from "@acktor/acker/inbox/shape-types";
import type { SharedStatement } from "@acktor/acker/inbox/share-statements";
import type { TransactionOutcome } from "@acktor/shared/db/fenced-transaction";
import type { DbResult, Param } from "@acktor/shared/db/pool";
import type { InboxTable } from "./inbox-table.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { SimProcess } from "./virtual-time.ts";

/** Effects are written one by one: their types are unknown. */
const NO_SHAPES: Shapes = { of: async () => null, forget: () => undefined };

export class SimInbox implements Inbox {
  readonly shapes = NO_SHAPES;
  readonly #table: InboxTable;
  readonly #database: SimDatabase;
  readonly #owner: SimProcess;

  constructor(table: InboxTable, database: SimDatabase, owner: SimProcess) {
    this.#table = table;
    this.#database = database;
    this.#owner = owner;
  }

  probe(): Promise<DbResult<never>> {
    return this.#run(() => []);
  }

  async prepare(): Promise<InboxPrepared> {
    const answer = await this.probe();
    return answer.ok ? { ok: true } : { ok: false, fault: answer.failure.message, isFinal: false };
  }

  receive(batch: readonly Incoming[], options: ReceiveOptions): Promise<DbResult<Receipt>> {
    return this.#run(() => this.#table.receive(batch, options));
  }

  receiveProcessed(batch: readonly Incoming[], ending: BatchLease | null): Promise<DbResult<unknown>> {
    return this.#do(() => this.#table.receiveProcessed(batch, [], ending));
  }

  receiveWithEffects(
    { items }: SharedStatement<IncomingWithEffect<Incoming>>,
    ending: BatchLease | null,
  ): Promise<DbResult<unknown>> {
    const batch = items.map(({ item }) => item);
    const effects = items.map(({ effect }) => effect.values);
    return this.#do(() => this.#table.receiveProcessed(batch, effects, ending));
  }

  beginBatch(lease: BatchLease, leaseMs: number): Promise<DbResult<{ readonly begun: boolean }>> {
    return this.#run(() => [{ begun: this.#table.beginBatch(lease, leaseMs) }]);
  }

  endBatch(lease: BatchLease): Promise<DbResult<unknown>> {
    return this.#do(() => this.#table.endBatch(lease));
  }

  leaveBatches(run: string): Promise<DbResult<unknown>> {
    return this.#do(() => this.#table.leaveBatches(run));
  }

  markHandling(lease: Lease): Promise<DbResult<Moved>> {
    return this.#run(() => this.#table.markHandling(lease));
  }

  renewLeases(leases: readonly Lease[], leaseMs: number): Promise<DbResult<Moved>> {
    return this.#run(() => this.#table.renewLeases(leases, leaseMs));
  }

  finish(batch: readonly Finished[]): Promise<DbResult<Moved>> {
    return this.#run(() => this.#table.finish(batch));
  }

  commitEffects({ items }: SharedStatement<EffectOf>): Promise<DbResult<unknown>> {
    const effects = items.map(({ lease, effect }) => ({ lease, values: effect.values }));
    return this.#do(() => this.#table.commitEffects(effects));
  }

  findProcessed(leases: readonly Lease[]): Promise<DbResult<Moved>> {
    return this.#run(() => this.#table.findProcessed(leases));
  }

  /** Runs the handler's statements one after the other. Their writes commit together with the outcome or not at all. */
  async runTransaction(lease: Lease, effect: TransactionEffect, signal: AbortSignal): Promise<TransactionOutcome> {
    const written: Param[] = [];
    const query = async (_text: string, params: readonly Param[] = []): Promise<readonly never[]> => {
      const answer = await this.#run(() => []);
      if (!answer.ok) throw new Error(answer.failure.message);
      written.push(...params);
      return [];
    };
    try {
      await effect.work(query);
    } catch (error) {
      return { kind: "unavailable", message: String(error) };
    }
    if (signal.aborted) return { kind: "unavailable", message: "cut off" };
    const closed = await this.#do(() => this.#table.commitEffects([{ lease, values: written }]));
    if (closed.ok) return { kind: "committed" };
    const { kind, code, message } = closed.failure;
    if (kind !== "rejected") return { kind: "unknown", message };
    return code === "ACK01" ? { kind: "fenced" } : { kind: "failed", code, message };
  }

  clean(): Promise<DbResult<Cleaned>> {
    return this.#run(() => [{ made: 0, dropped: [], deleted: 0 }]);
  }

  readReceipt(): Promise<DbResult<never>> {
    return this.#run(() => []);
  }

  async stop(): Promise<void> {
    // The connections of a simulated process end with it.
  }

  #run<Row>(statement: () => readonly Row[]): Promise<DbResult<Row>> {
    return this.#database.run(this.#owner, statement);
  }

  #do(statement: () => void): Promise<DbResult<never>> {
    return this.#run<never>(() => {
      statement();
      return [];
    });
  }
}
