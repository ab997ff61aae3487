/**
 * The inbox as the steps of the acker use it: one verb for each thing that happens to messages there. `PostgresInbox`
 * runs one SQL statement for each verb; a simulation can implement the same interface in memory.
 *
 * Each verb resolves: with rows, or with a failure of a kind. A verb whose answer was lost may be run again.
 */
import type { TransactionOutcome } from "@acktor/shared/db/fenced-transaction";
import type { DbResult } from "@acktor/shared/db/pool";
import type { Receipt as StoredReceipt } from "@acktor/shared/inspect/receipts";
import type { DatabaseFacts } from "@acktor/shared/runtime/database-health";
import type { BatchLease } from "./batch-lease.ts";
import type { EffectOf } from "./commit-effects.ts";
import type { TransactionEffect } from "./effect.ts";
import type { Finished } from "./finish-messages.ts";
import type { Cleaned } from "./keep-partitions.ts";
import type { Incoming, Receipt, ReceiveOptions } from "./receive-messages.ts";
import type { IncomingWithEffect } from "./receive-with-effects.ts";
import type { Lease } from "./renew-leases.ts";
import type { Shapes } from "./shape-types.ts";
import type { SharedStatement } from "./share-statements.ts";

/** A row of a verb that moves messages: the message was moved. */
export interface Moved {
  readonly messageId: string;
}

export type InboxPrepared =
  | { readonly ok: true }
  /** `isFinal`: waiting does not heal it. */
  | { readonly ok: false; readonly fault: string; readonly isFinal: boolean };

export interface Inbox {
  /** How effects become rows of a shared insert. */
  readonly shapes: Shapes;
  /** Asks whether the database takes writes. @param writes with a write, which takes space on the disk */
  probe(writes: boolean): Promise<DbResult<DatabaseFacts>>;
  /** Creates or checks the schema and today's partitions. */
  prepare(): Promise<InboxPrepared>;
  /** Puts a batch of distinct ids into the inbox. @returns what the inbox holds of each afterwards */
  receive(batch: readonly Incoming[], options: ReceiveOptions): Promise<DbResult<Receipt>>;
  /** Puts new messages into the inbox as processed: all of them or none. @param ending the batch lease that ends with them */
  receiveProcessed(batch: readonly Incoming[], ending: BatchLease | null): Promise<DbResult<unknown>>;
  /** The same, together with the effects of their handlers. */
  receiveWithEffects(
    statement: SharedStatement<IncomingWithEffect<Incoming>>,
    ending: BatchLease | null,
  ): Promise<DbResult<unknown>>;
  /** Takes the lease of a batch whose handlers run before its rows exist; `begun: false` when a message is known. */
  beginBatch(lease: BatchLease, leaseMs: number): Promise<DbResult<{ readonly begun: boolean }>>;
  endBatch(lease: BatchLease): Promise<DbResult<unknown>>;
  /** Forgets all batch leases of a run of the process, when none of its handlers runs any more. */
  leaveBatches(run: string): Promise<DbResult<unknown>>;
  /** Notes that the handler of a suspect begins. @returns no row when another process owns the lease */
  markHandling(lease: Lease): Promise<DbResult<Moved>>;
  /** @returns the messages whose lease was prolonged */
  renewLeases(leases: readonly Lease[], leaseMs: number): Promise<DbResult<Moved>>;
  /** Writes outcomes under their leases. @returns the messages whose outcome is written; others lost their lease */
  finish(batch: readonly Finished[]): Promise<DbResult<Moved>>;
  /** Commits effects with the outcome of their messages: all or none. A lost lease fails with `LEASE_LOST`. */
  commitEffects(statement: SharedStatement<EffectOf>): Promise<DbResult<unknown>>;
  /** @returns the messages that this owner has processed already */
  findProcessed(leases: readonly Lease[]): Promise<DbResult<Moved>>;
  /** Runs a handler's transaction, which ends with the outcome of its message. @param signal aborted: it is cut off */
  runTransaction(lease: Lease, effect: TransactionEffect, signal: AbortSignal): Promise<TransactionOutcome>;
  /** One round of cleaning. @param rememberMs how long a message is remembered; `signal` ends the round early */
  clean(rememberMs: number, signal: AbortSignal): Promise<DbResult<Cleaned>>;
  /** What became of a message here; no row when the inbox does not know it. */
  readReceipt(messageId: string): Promise<DbResult<StoredReceipt>>;
  /** Closes every connection. A second call has no effect. */
  stop(): Promise<void>;
}
