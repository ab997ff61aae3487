/**
 * The benchmark's own PostgreSQL (npm's binaries, durable as they are by default), and a fresh database for each run.
 *
 * The benchmark queries it by a connection of its own and does not rely on what the services report.
 */
import path from "node:path";
import { type EmbeddedPostgres, startPostgres } from "@acktor/embedded/postgres";
import { SILENT } from "@acktor/embedded/progress";
import { createPool, type Param, type Pool } from "@acktor/shared/db/pool";
import { anyPort } from "../support/ports.ts";
import type { Scope } from "./scope.ts";

/** What end-to-end correctness is read from. */
export interface Tally {
  readonly rows: number;
  readonly acknowledged: number;
  readonly acks: number;
  readonly inbox: number;
  /** PUBLISHes after the first. */
  readonly retries: number;
  /** Arrivals at the inbox after the first of each message. */
  readonly duplicates: number;
}

const DEADLINE_MS = 60_000;

export async function startDatabaseServer(scope: Scope, directory: string): Promise<EmbeddedPostgres> {
  const dataDir = path.join(directory, "postgres");
  const started = await startPostgres({ dataDir, port: await anyPort(), narrator: SILENT });
  if (!started.ok) throw new Error(`${started.failure.message} (${started.failure.fix})`);
  scope.defer(() => started.value.stop());
  return started.value;
}

/** An observer's view of one database. */
export class Database {
  readonly url: string;
  readonly #pool: Pool;

  private constructor(url: string) {
    this.url = url;
    // Without statistics a fresh table is read from end to end, which would disturb what is measured.
    const observer = new URL(url);
    observer.searchParams.set("options", "-cenable_seqscan=off");
    this.#pool = createPool({ url: observer.href, size: 2, deadlineMs: DEADLINE_MS, applicationName: "acktor-bench" });
  }

  /** Makes a database; after a checkpoint, so that none of an earlier run's falls into this one. */
  static async create(scope: Scope, serverUrl: string, name: string): Promise<Database> {
    const server = new Database(serverUrl);
    try {
      await server.rows(`drop database if exists ${name} with (force)`);
      await server.rows(`create database ${name}`);
      await server.rows("checkpoint");
    } finally {
      await server.close();
    }
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    const database = new Database(url.href);
    scope.defer(() => database.close());
    return database;
  }

  async rows<Row>(text: string, params: readonly Param[] = []): Promise<readonly Row[]> {
    const answer = await this.#pool.run<Row>(text, params);
    if (!answer.ok) throw new Error(`${text}: ${answer.failure.code} ${answer.failure.message}`);
    return answer.rows;
  }

  async value<Value>(text: string, params: readonly Param[] = []): Promise<Value> {
    const [row] = await this.rows<{ value: Value }>(text, params);
    if (row === undefined) throw new Error(`no row: ${text}`);
    return row.value;
  }

  /** Rows that are neither acknowledged nor failed nor expired, counted up to `most`. */
  waiting(most: number): Promise<number> {
    const live = "select from publisher.message_delivery where coalesce(due_at, due_at) is not null limit $1::int8";
    return this.value(`select count(*)::int4 as value from (${live}) live`, [most]);
  }

  /** Messages acknowledged so far, without counting them: each settling statement leaves its number behind. */
  acknowledged(): Promise<number> {
    return this.value(
      "select coalesce(sum(messages), 0)::int4 as value from publisher.tally where state = 'acknowledged'",
    );
  }

  async tally(): Promise<Tally> {
    const [row] = await this.rows<Tally>(`select
      (select count(*)::int4 from publisher.message_delivery) as rows,
      (select count(*)::int4 from publisher.message_delivery where state = 'acknowledged') as acknowledged,
      (select count(*)::int4 from publisher.delivery_acknowledgment) as acks,
      (select count(*)::int4 from acker.inbox where status = 'processed') as inbox,
      (select coalesce(sum(retry_count), 0)::int4 from publisher.message_delivery) as retries,
      (select coalesce(sum(deliveries - 1), 0)::int4 from acker.inbox) as duplicates`);
    if (row === undefined) throw new Error("the tally gave no row");
    return row;
  }

  close(): Promise<void> {
    return this.#pool.stop();
  }
}

/** What is wrong with a run of `messages`, or null when each is acknowledged and in the inbox, once. */
export function faultOf(tally: Tally, messages: number): string | null {
  const { rows, acknowledged, acks, inbox } = tally;
  if ([rows, acknowledged, acks, inbox].every((count) => count === messages)) return null;
  return `of ${messages} messages: ${rows} rows, ${acknowledged} acknowledged, ${acks} acks, ${inbox} in the inbox`;
}
