/**
 * Runs transactions on a busy pool and kills their backends in the middle; SQL then counts what each transaction left.
 * It is a separate process, because the driver may end it by an uncaught error (porsager/postgres #1208).
 *
 *   kill-transactions.ts <url> <transactions> <fenced|plain|pg>
 *
 * Prints one line of JSON: how many callers received a commit or a failure, and uncaught errors.
 *
 * postgres.js notifies the caller of the loss immediately, while the caller's function still runs: the function's next statement
 * reaches the next user of the connection. Such a pool may never answer again, so each transaction has its own pool.
 */
import { enqueue, fence } from "@acktor/shared/client";
import pg from "pg";
import postgres from "postgres";

const [, , url = "", count = "0", kind = "fenced"] = process.argv;
const total = Number(count);
const AT_A_TIME = 10;
/** A transaction without a result after this time never gets one. */
const SILENCE_MS = 500;
const outcomes = { committed: 0, failed: 0, uncaught: 0, killed: 0 };
process.on("uncaughtException", () => outcomes.uncaught++);
process.on("unhandledRejection", () => outcomes.uncaught++);

const admin = postgres(url, { max: 6, onnotice: () => undefined });
const pool = new pg.Pool({ connectionString: url, max: AT_A_TIME });
pool.on("error", () => "an idle client whose backend was killed");

let started = 0;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills the backend. Every second time it also waits until the driver has noticed, so the next statement reaches a new one. */
async function kill(pid: number): Promise<void> {
  await admin`select pg_terminate_backend(${pid})`;
  outcomes.killed++;
  if (outcomes.killed % 2 === 0) return;
  for (let gone = false; !gone; ) {
    const [row] = await admin`select count(*)::int4 n from pg_stat_activity where pid = ${pid}`;
    gone = row?.["n"] === 0;
  }
  await pause(5);
}

/** Resolves when the caller's function has ended, which may be later than the driver's result of the transaction. */
async function byPostgresJs(label: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  let body: Promise<unknown> = Promise.resolve();
  const told = sql.begin((tx) => {
    const work = inTransaction(tx, sql, label);
    body = work.catch(() => "the driver passes it on");
    return work;
  });
  try {
    await Promise.race([told, pause(SILENCE_MS)]);
  } finally {
    await Promise.race([body, pause(SILENCE_MS)]);
    void sql.end({ timeout: 0 }).catch(() => "thrown away");
  }
}

async function inTransaction(tx: postgres.TransactionSql, sql: postgres.Sql, label: string): Promise<void> {
  if (kind === "fenced") await fence(tx);
  const [row] = await tx`insert into business values (${label}) returning pg_backend_pid() as pid`;
  await kill(row?.["pid"] as number);
  // Another caller gets the connection that replaces the lost one.
  await Promise.race([neighbour(sql, `next to ${label}`).catch(() => "killed as well"), pause(100)]);
  if (kind === "fenced") await enqueue(tx, { topic: "t/1", content: label });
  else await tx`select publisher.enqueue('t/1', ${label})`;
}

async function byPg(label: string): Promise<void> {
  const client = await pool.connect();
  let fault: Error | undefined;
  client.on("error", () => "the query reports it");
  try {
    await client.query("begin");
    const { rows } = await client.query("insert into business values ($1) returning pg_backend_pid() as pid", [label]);
    await kill((rows[0] as { pid: number }).pid);
    await enqueue(client, { topic: "t/1", content: label });
    await client.query("commit");
  } catch (error) {
    fault = error as Error;
    throw error;
  } finally {
    client.release(fault);
  }
}

/** The pool's other traffic: it uses the connections that killed transactions leave. */
async function neighbour(sql: postgres.Sql, label: string): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`insert into business values (${label})`;
    await tx`select 1`;
  });
}

async function judged(work: Promise<void>): Promise<void> {
  const told = work.then(
    () => "committed" as const,
    () => "failed" as const,
  );
  outcomes[await told]++;
}

async function work(): Promise<void> {
  while (outcomes.killed < total) {
    const label = `m${started++}`;
    await judged(kind === "pg" ? byPg(label) : byPostgresJs(label));
  }
}

await Promise.all(Array.from({ length: AT_A_TIME }, work));
process.stdout.write(`${JSON.stringify(outcomes)}\n`, () => process.exit(0));
