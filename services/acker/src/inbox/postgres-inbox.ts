/** The inbox in PostgreSQL: the verbs of the port, each in its own file. Each is one statement, or a fenced transaction. */

import { connectionOptions, connectionsOf } from "@acktor/shared/db/connector";
import {
  createTransactionSlots,
  type TransactionOutcome,
  type TransactionSlots,
} from "@acktor/shared/db/fenced-transaction";
import { createPool, type DbResult, type Pool } from "@acktor/shared/db/pool";
import { probeDatabase } from "@acktor/shared/db/probe-database";
import type { Receipt as StoredReceipt } from "@acktor/shared/inspect/receipts";
import type { DatabaseFacts } from "@acktor/shared/runtime/database-health";
import type { FreshText } from "@acktor/shared/runtime/fresh-settings";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import { type BatchLease, beginBatch, endBatch, leaveBatches } from "./batch-lease.ts";
import { closingOf, commitEffects, type EffectOf, findProcessed } from "./commit-effects.ts";
import type { TransactionEffect } from "./effect.ts";
import { type Finished, finishMessages } from "./finish-messages.ts";
import type { Inbox, InboxPrepared, Moved } from "./inbox.ts";
import { type Cleaned, keepPartitions } from "./keep-partitions.ts";
import { markHandling } from "./mark-handling.ts";
import { prepareSchema } from "./prepare-schema.ts";
import { readReceipt } from "./read-receipt.ts";
import { type Incoming, Newness, type Receipt, type ReceiveOptions, receiveMessages } from "./receive-messages.ts";
import { type IncomingWithEffect, receiveProcessed, receiveWithEffects } from "./receive-with-effects.ts";
import { type Lease, renewLeases } from "./renew-leases.ts";
import { ShapeTypes } from "./shape-types.ts";
import type { SharedStatement } from "./share-statements.ts";

export interface PostgresInboxParts {
  readonly pool: Pool;
  /** For transactions of handlers. */
  readonly slots: TransactionSlots;
  /** False: the schema is checked only. */
  readonly migrates: boolean;
  readonly logger: Logger;
}

/** Those of the transactions are opened when they are needed. */
const CONNECTIONS = 9;
/** Transactions of handlers at a time, each on its own connection. */
const TRANSACTION_SLOTS = 4;

export class PostgresInbox implements Inbox {
  readonly shapes: ShapeTypes;
  readonly pool: Pool;
  readonly #parts: PostgresInboxParts;
  readonly #newness = new Newness();

  /** On the database of the settings; nothing connects before the first verb. */
  static open(
    config: AckerSettings,
    applicationName: string,
    logger: Logger,
    fresh: FreshText<"DATABASE_URL">,
  ): PostgresInbox {
    const connections = connectionsOf(config, CONNECTIONS);
    const slots = Math.min(TRANSACTION_SLOTS, connections >> 1);
    const queueLimit = config.ACKTOR_QUEUE;
    const handlers = connectionOptions(config, `${applicationName} handlers`, fresh);
    return new PostgresInbox({
      pool: createPool({ ...connectionOptions(config, applicationName, fresh), size: connections - slots }),
      slots: createTransactionSlots({ ...handlers, size: slots, queueLimit }),
      migrates: config.ACKTOR_MIGRATE === "on",
      logger,
    });
  }

  constructor(parts: PostgresInboxParts) {
    this.#parts = parts;
    this.pool = parts.pool;
    this.shapes = new ShapeTypes(parts.pool);
  }

  probe(writes: boolean): Promise<DbResult<DatabaseFacts>> {
    return probeDatabase(this.pool, "acker", writes);
  }

  prepare(): Promise<InboxPrepared> {
    return prepareSchema(this.#parts);
  }

  receive(batch: readonly Incoming[], options: ReceiveOptions): Promise<DbResult<Receipt>> {
    return receiveMessages(this.pool, batch, options, this.#newness);
  }

  receiveProcessed(batch: readonly Incoming[], ending: BatchLease | null): Promise<DbResult<unknown>> {
    return receiveProcessed(this.pool, batch, ending);
  }

  receiveWithEffects(
    statement: SharedStatement<IncomingWithEffect<Incoming>>,
    ending: BatchLease | null,
  ): Promise<DbResult<unknown>> {
    return receiveWithEffects(this.pool, statement, ending);
  }

  beginBatch(lease: BatchLease, leaseMs: number): Promise<DbResult<{ readonly begun: boolean }>> {
    return beginBatch(this.pool, lease, leaseMs);
  }

  endBatch(lease: BatchLease): Promise<DbResult<unknown>> {
    return endBatch(this.pool, lease);
  }

  leaveBatches(run: string): Promise<DbResult<unknown>> {
    return leaveBatches(this.pool, run);
  }

  markHandling(lease: Lease): Promise<DbResult<Moved>> {
    return markHandling(this.pool, lease);
  }

  renewLeases(leases: readonly Lease[], leaseMs: number): Promise<DbResult<Moved>> {
    return renewLeases(this.pool, leases, leaseMs);
  }

  finish(batch: readonly Finished[]): Promise<DbResult<Moved>> {
    return finishMessages(this.pool, batch);
  }

  commitEffects(statement: SharedStatement<EffectOf>): Promise<DbResult<unknown>> {
    return commitEffects(this.pool, statement);
  }

  findProcessed(leases: readonly Lease[]): Promise<DbResult<Moved>> {
    return findProcessed(this.pool, leases);
  }

  // The closing statement finds itself in this transaction and under this lease, or nothing is committed.
  runTransaction(lease: Lease, effect: TransactionEffect, signal: AbortSignal): Promise<TransactionOutcome> {
    return this.#parts.slots.run(effect.work, closingOf(lease), signal);
  }

  clean(rememberMs: number, signal: AbortSignal): Promise<DbResult<Cleaned>> {
    return keepPartitions(this.pool, rememberMs, signal);
  }

  readReceipt(messageId: string): Promise<DbResult<StoredReceipt>> {
    return readReceipt(this.pool, messageId);
  }

  async stop(): Promise<void> {
    this.#parts.slots.stop();
    await this.pool.stop();
  }
}
