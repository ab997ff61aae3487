/**
 * Transactions for code that is not ours: the one place where a unit of work is more than one statement (ENGINE rule 7).
 *
 * Invariants:
 *  1. A slot is one instance of the driver with one connection that is never made anew: after its end nothing that belongs
 *     to the transaction can run anywhere else.
 *  2. Fenced all the same: the closing statement is given `pid:xid` as read at the start and must find itself in that
 *     transaction, or nothing is committed.
 *  3. `run` always resolves, with an outcome. A COMMIT whose answer was lost is `unknown`: ask the rows.
 *  4. At most `size` transactions are under way and at most `queueLimit` wait. What outlives its signal is cut off, which
 *     rolls it back. After `stop` nothing runs.
 *  5. A query after the transaction's end, or a second one from a function that returned too early, is refused.
 */
import { type Connection, destroyConnection, openConnection, type Param, type PoolOptions } from "./pool.ts";

/** Runs one statement in the transaction; rejects with the database's error (its SQLSTATE in `code`). */
export type TransactionQuery = <Row = Record<string, unknown>>(
  text: string,
  params?: readonly Param[],
) => Promise<readonly Row[]>;

export interface ClosingStatement {
  /** Must return a row, or the transaction is rolled back. Its last parameter is the fence, `pid:xid`. */
  readonly text: string;
  readonly params: readonly Param[];
}

export type TransactionOutcome =
  | { readonly kind: "committed" }
  /** The closing statement returned nothing: the transaction was not what it should be. Rolled back. */
  | { readonly kind: "fenced" }
  /** The work, or PostgreSQL, said no. Rolled back. `code`: SQLSTATE, or null when the work threw. */
  | { readonly kind: "failed"; readonly code: string | null; readonly message: string }
  /** No connection, or it was lost before COMMIT was sent. Rolled back. */
  | { readonly kind: "unavailable"; readonly message: string }
  /** COMMIT was sent and its answer lost. */
  | { readonly kind: "unknown"; readonly message: string };

export interface TransactionSlots {
  /** @param signal aborted: the transaction is cut off */
  run(
    work: (query: TransactionQuery) => Promise<unknown>,
    closing: ClosingStatement,
    signal: AbortSignal,
  ): Promise<TransactionOutcome>;
  /** Cuts off what runs. Twice and early is fine. */
  stop(): void;
}

export interface SlotOptions extends Pick<PoolOptions, "url" | "ca" | "applicationName"> {
  readonly size: number;
  readonly queueLimit: number;
}

/** SQL that is the fence; a closing statement compares it with its last parameter. */
export const FENCE = "pg_backend_pid() || ':' || pg_current_xact_id()";

type Sql = Connection["sql"];

interface Slot {
  connection: Connection | null;
  busy: boolean;
}

/** Makes slots; nothing connects before the first transaction. */
export function createTransactionSlots(options: SlotOptions): TransactionSlots {
  const slots: Slot[] = Array.from({ length: options.size }, () => ({ connection: null, busy: false }));
  const waiting: ((slot: Slot | null) => void)[] = [];
  let stopped = false;

  function acquire(): Promise<Slot | null> {
    const free = slots.find((slot) => !slot.busy);
    if (free !== undefined) {
      free.busy = true;
      return Promise.resolve(free);
    }
    if (waiting.length >= options.queueLimit) return Promise.resolve(null);
    return new Promise((resolve) => waiting.push(resolve));
  }

  function release(slot: Slot): void {
    const next = waiting.shift();
    if (next === undefined) slot.busy = false;
    else next(slot);
  }

  return {
    async run(work, closing, signal) {
      const slot = stopped || signal.aborted ? null : await acquire();
      if (slot === null) return { kind: "unavailable", message: "no slot is free for the transaction" };
      try {
        if (stopped || signal.aborted) return { kind: "unavailable", message: "stopped before it began" };
        if (slot.connection?.line.destroyed) slot.connection = null;
        slot.connection ??= openConnection(options, true);
        return await transact(slot.connection, work, closing, signal);
      } finally {
        release(slot);
      }
    },
    stop() {
      stopped = true;
      for (const give of waiting.splice(0)) give(null);
      for (const { connection } of slots) if (connection !== null) destroyConnection(connection);
    },
  };
}

async function transact(
  connection: Connection,
  work: (query: TransactionQuery) => Promise<unknown>,
  closing: ClosingStatement,
  signal: AbortSignal,
): Promise<TransactionOutcome> {
  const { sql, line } = connection;
  const cut = (): void => destroyConnection(connection);
  signal.addEventListener("abort", cut, { once: true });
  let isOpen = true;
  const query: TransactionQuery = async (text, params = []) => {
    if (!isOpen) throw new Error("the transaction has ended");
    return (await send(sql, text, params)) as never;
  };
  try {
    await send(sql, "begin");
    const [start] = (await send(sql, `select ${FENCE} as fence`)) as readonly { readonly fence: string }[];
    await work(query);
    isOpen = false;
    const closed = await send(sql, closing.text, [...closing.params, start?.fence ?? ""]);
    if (closed.length === 0) {
      await send(sql, "rollback");
      return { kind: "fenced" };
    }
  } catch (error) {
    isOpen = false;
    return await rollBack(connection, error as Error);
  } finally {
    signal.removeEventListener("abort", cut);
  }
  try {
    if (line.destroyed) return { kind: "unavailable", message: "the connection was lost before the commit" };
    await send(sql, "commit");
    return { kind: "committed" };
  } catch (error) {
    destroyConnection(connection);
    return { kind: "unknown", message: (error as Error).message };
  }
}

/** Anything that is not a plain answer of the server leaves the connection in doubt. */
async function rollBack(connection: Connection, error: Error): Promise<TransactionOutcome> {
  const { code, message } = error as Error & { code?: string };
  const isSqlState = code !== undefined && /^[0-9A-Z]{5}$/.test(code);
  const lost = connection.line.destroyed || (code !== undefined && /^(CONNECT|57P|08|E[A-Z]{4,})/.test(code));
  try {
    if (!lost) await send(connection.sql, "rollback");
  } catch {
    destroyConnection(connection);
  }
  if (lost) {
    destroyConnection(connection);
    return { kind: "unavailable", message };
  }
  return { kind: "failed", code: isSqlState ? code : null, message };
}

async function send(sql: Sql, text: string, params: readonly Param[] = []): Promise<readonly unknown[]> {
  const parameters = params as Parameters<Sql["unsafe"]>[1];
  return await sql.unsafe(text, parameters, { prepare: params.length > 0 });
}
