/**
 * Transactions for application code: the one place where a unit of work is more than one statement.
 *
 * Invariants:
 *  TRANSACTION-1. A slot is one connection that is never reopened: after its end nothing that belongs to the transaction can
 *                 run anywhere else.
 *  TRANSACTION-2. The closing statement receives `pid:xid` as read at the start and must find itself in that transaction, or
 *                 nothing is committed.
 *  TRANSACTION-3. `run` always resolves, with an outcome. A COMMIT whose answer was lost is `unknown`: the caller reads the rows.
 *  TRANSACTION-4. At most `size` transactions run and at most `queueLimit` wait. One that outlives its signal is cut off,
 *                 which rolls it back. After `stop` nothing runs.
 *  TRANSACTION-5. A query after the transaction's end, or a later one from a function that returned too early, is rejected.
 *  TRANSACTION-6. The statement of a transaction that was cut off is cancelled at the server before its slot is used again:
 *                 there are no more backends than slots.
 *  TRANSACTION-7. A server that cannot write, is full or stops is left: the next transaction opens another connection.
 */
import type { Connection, Param } from "./connection.ts";
import { type ConnectionOptions, Connector } from "./connector.ts";
import { TRANSACTION_SETTINGS } from "./session-settings.ts";

/** Runs one statement in the transaction; rejects with the database's error (its SQLSTATE in `code`). */
export type TransactionQuery = <Row = Record<string, unknown>>(
  text: string,
  params?: readonly Param[],
) => Promise<readonly Row[]>;

export type TransactionWork = (query: TransactionQuery) => Promise<unknown>;

export interface ClosingStatement {
  /** Must return a row, or the transaction is rolled back. Its last parameter is the fence, `pid:xid`. */
  readonly text: string;
  readonly params: readonly Param[];
}

export type TransactionOutcome =
  | { readonly kind: "committed" }
  /** The closing statement returned no row: it ran outside the transaction, or its condition failed. Rolled back. */
  | { readonly kind: "fenced" }
  /** The work or a statement failed. Rolled back. `code`: SQLSTATE, or null when the work threw. */
  | { readonly kind: "failed"; readonly code: string | null; readonly message: string }
  /** No connection, or it was given up before COMMIT was sent. Rolled back. `code`: of the database's failure. */
  | { readonly kind: "unavailable"; readonly message: string; readonly code?: string }
  /** COMMIT was sent and its answer lost. */
  | { readonly kind: "unknown"; readonly message: string };

export interface TransactionSlots {
  /** @param signal aborted: the transaction is cut off */
  run(work: TransactionWork, closing: ClosingStatement, signal: AbortSignal): Promise<TransactionOutcome>;
  /** Cuts off running transactions. May be called early; a second call has no effect. */
  stop(): void;
}

export interface SlotOptions extends ConnectionOptions {
  readonly size: number;
  readonly queueLimit: number;
}

/** SQL expression of the fence; a closing statement compares it with its last parameter. */
export const FENCE = "pg_backend_pid() || ':' || pg_current_xact_id()";

/** Longest time of a cut: a request to cancel. */
const CUT_LIMIT_MS = 1_000;
/** The server's own limit of a statement of a transaction. */
const STATEMENT_LIMIT_MS = 60_000;

interface Slot {
  connection: Connection | null;
  busy: boolean;
}

/** Makes slots; nothing connects before the first transaction. */
export function createTransactionSlots(options: SlotOptions): TransactionSlots {
  return new ConnectionSlots(options);
}

class ConnectionSlots implements TransactionSlots {
  readonly #options: SlotOptions;
  readonly #connector: Connector;
  readonly #slots: Slot[];
  readonly #waiting: ((slot: Slot | null) => void)[] = [];
  readonly #stop = new AbortController();

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#connector = new Connector(options, TRANSACTION_SETTINGS);
    this.#slots = Array.from({ length: options.size }, () => ({ connection: null, busy: false }));
  }

  async run(work: TransactionWork, closing: ClosingStatement, signal: AbortSignal): Promise<TransactionOutcome> {
    const either = AbortSignal.any([signal, this.#stop.signal]);
    const slot = either.aborted ? null : await this.#acquire();
    if (slot === null) return { kind: "unavailable", message: "no slot is free for the transaction" };
    try {
      const connection = await this.#connectionOf(slot, either);
      if (connection instanceof Error) return unavailable(connection);
      return await transact(connection, work, closing, either);
    } finally {
      void this.#giveBack(slot);
    }
  }

  stop(): void {
    this.#stop.abort();
    for (const give of this.#waiting.splice(0)) give(null);
    for (const { connection, busy } of this.#slots) if (!busy) connection?.destroy();
    setTimeout(() => {
      for (const { connection } of this.#slots) connection?.destroy();
    }, CUT_LIMIT_MS).unref();
  }

  /** TRANSACTION-1. @returns why there is none */
  async #connectionOf(slot: Slot, signal: AbortSignal): Promise<Connection | Error> {
    if (signal.aborted) return new Error("stopped before it began");
    if (slot.connection !== null && !slot.connection.isLost) return slot.connection;
    slot.connection = null;
    try {
      slot.connection = await this.#connector.open(signal);
      return slot.connection;
    } catch (error) {
      return error as Error;
    }
  }

  /** TRANSACTION-6 */
  async #giveBack(slot: Slot): Promise<void> {
    if (this.#stop.signal.aborted) slot.connection?.destroy();
    else if (slot.connection?.isLost === true) await slot.connection.cancel();
    this.#release(slot);
  }

  /** TRANSACTION-4 */
  #acquire(): Promise<Slot | null> {
    const free = this.#slots.find((slot) => !slot.busy);
    if (free !== undefined) {
      free.busy = true;
      return Promise.resolve(free);
    }
    if (this.#waiting.length >= this.#options.queueLimit) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #release(slot: Slot): void {
    const next = this.#waiting.shift();
    if (next === undefined) slot.busy = false;
    else next(slot);
  }
}

async function transact(
  connection: Connection,
  work: TransactionWork,
  closing: ClosingStatement,
  signal: AbortSignal,
): Promise<TransactionOutcome> {
  let isOpen = true;
  // TRANSACTION-4. Cancelled first: PgBouncer forgets a client, and what to cancel, with its socket.
  const cut = (): void => {
    isOpen = false;
    void connection.cancel().then(() => connection.destroy());
  };
  signal.addEventListener("abort", cut, { once: true });
  const query: TransactionQuery = async (text, params = []) => {
    if (!isOpen) throw new Error("the transaction has ended"); // TRANSACTION-5
    return (await connection.query(text, params)) as never;
  };
  try {
    await connection.begin(STATEMENT_LIMIT_MS);
    const [start] = (await connection.query(`select ${FENCE} as fence`)) as readonly { readonly fence: string }[];
    await work(query);
    isOpen = false;
    const closed = await connection.query(closing.text, [...closing.params, start?.fence ?? ""]);
    // TRANSACTION-2
    if (closed.length === 0) {
      await connection.query("rollback");
      return { kind: "fenced" };
    }
  } catch (error) {
    isOpen = false;
    return await rollBack(connection, error as Error, signal.aborted);
  } finally {
    signal.removeEventListener("abort", cut);
    if (signal.aborted) connection.destroy();
  }
  try {
    if (connection.isLost || signal.aborted)
      return { kind: "unavailable", message: "the connection was lost before the commit" };
    await connection.query("commit");
    return { kind: "committed" };
  } catch (error) {
    connection.destroy();
    return { kind: "unknown", message: (error as Error).message }; // TRANSACTION-3
  }
}

/**
 * Any failure that is not an answer of the server leaves the connection in doubt, too.
 * @param wasCut the connection is being ended
 */
async function rollBack(connection: Connection, error: Error, wasCut: boolean): Promise<TransactionOutcome> {
  const { code, message } = error as Error & { code?: string };
  const isSqlState = code !== undefined && /^[0-9A-Z]{5}$/.test(code);
  // TRANSACTION-7
  if (wasCut || connection.isLost || (code !== undefined && UNFIT.test(code))) {
    connection.destroy();
    return wasCut ? { kind: "unavailable", message } : unavailable(error);
  }
  await connection.query("rollback").catch(() => connection.destroy());
  return { kind: "failed", code: isSqlState ? code : null, message };
}

/** Of a server that is read-only, full, stopping, or has lost its disk, and of a lost connection. */
const UNFIT = /^(CONNECT|25006|53|57P|58|08|E[A-Z]{4,})/;

function unavailable(error: Error): TransactionOutcome {
  const { code, message } = error as Error & { code?: string };
  return { kind: "unavailable", message, ...(code === undefined ? {} : { code }) };
}
