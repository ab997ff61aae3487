/**
 * Lists due rows page by page: for when the indexes lead to a damaged page, at which every ordered scan fails.
 *
 * Invariants:
 *  DUE_PAGES-1. A damaged page hides no row of another page: a range of pages that cannot be read is halved until one page is
 *               left.
 *
 * A row of a lane is listed only where it is known to be the oldest live one: a lane with a row on a damaged page waits. One call makes at most STEPS statements of at most PAGES pages; the next call continues where it ended.
 * It reads whole partitions, and is used only while the list by index fails.
 */
import { apart } from "@acktor/shared/db/apart";
import { type DbFailure, type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import { mayBeOneRow } from "@acktor/shared/runtime/sqlstate";
import type { DueList } from "./claim-apart.ts";
import { isBehind, isBehindParked } from "./claim-due.ts";
import type { ClaimOptions, Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

/** Some 30 MB: read well within a statement's deadline. */
const PAGES = 4_096;
const STEPS = 200;

const PARTITIONS = `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
  (pg_relation_size(c.oid) / current_setting('block_size')::int8)::int4 as pages,
  now() at, pg_snapshot_xmin(pg_current_snapshot())::text xmin, pg_snapshot_xmax(pg_current_snapshot())::text xmax
from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
where i.inhparent = 'publisher.message_delivery'::regclass order by c.relname`;

// Of a lane one row of the range, the oldest. In any order, so that what fails again later does not hide the rest.
const rowsOf = (partition: string): string => `select message_id as "messageId", is_lane as "isLane" from (
  select m.message_id, m.lane is not null is_lane,
    row_number() over (partition by coalesce(m.lane, m.message_id::text) order by m.seq) place
  from ${partition} m
  where m.ctid >= ('(' || $1::int4 || ',0)')::tid and m.ctid < ('(' || $2::int4 || ',0)')::tid
    and m.due_at <= now() and not m.parked and (m.expires_at is null or m.expires_at > now())
    and m.message_id <> all ($3::uuid[])) r
where place = 1 order by random() limit $4`;

const HEADS = `select m.message_id as "messageId" from unnest($1::uuid[]) i(id) join publisher.message_delivery m on m.message_id = i.id
where ${planForFewRows("i.id")} and m.due_at is not null and not ${isBehindParked("m")} and not ${isBehind("m", "not o.parked")}`;

/** A head that cannot be read is left out. */
const UNREADABLE_HEADS = { add() {} };

interface Range {
  /** Place of the range that it was halved from. */
  readonly at: number;
  readonly partition: string;
  readonly from: number;
  readonly to: number;
}

interface Found {
  readonly messageId: string;
  readonly isLane: boolean;
}

interface Partition {
  readonly name: string;
  readonly pages: number;
  readonly at: string;
  readonly xmin: string;
  readonly xmax: string;
}

/** A page that cannot be read. */
export interface DamagedPage {
  readonly place: string;
  readonly failure: DbFailure;
}

export interface PagedList extends DueList {
  readonly damaged: readonly DamagedPage[];
}

/** Remembers where the last call ended. */
export class DuePages {
  readonly #pool: Pool;
  #next = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** As `listDue`. Fails where not even the catalog can be read. */
  async list({ limit, laneCursor }: ClaimOptions, passedOver: readonly string[]): Promise<Outcome<PagedList>> {
    const partitions = await this.#pool.run<Partition>(PARTITIONS);
    if (!partitions.ok) return partitions;
    const found: Found[] = [];
    const damaged: DamagedPage[] = [];
    const failure = await this.#walk(rangesOf(partitions.rows), { limit, passedOver }, found, damaged);
    if (failure !== null) return { ok: false, failure };
    const heads = await this.#heads(found.filter(({ isLane }) => isLane).map(({ messageId }) => messageId));
    if (!heads.ok) return heads;
    const plain = found.filter(({ isLane }) => !isLane);
    const messageIds = [...plain, ...heads.rows].map(({ messageId }) => messageId);
    const { at = "", xmin = "0", xmax = "0" } = partitions.rows[0] ?? {};
    return { ok: true, value: { messageIds, damaged, nextLaneCursor: laneCursor, horizon: { at, xmin, xmax } } };
  }

  /** @returns a failure that no page is the cause of */
  async #walk(
    ranges: readonly Range[],
    asked: { readonly limit: number; readonly passedOver: readonly string[] },
    found: Found[],
    damaged: DamagedPage[],
  ): Promise<DbFailure | null> {
    const todo = [...ranges.slice(this.#next), ...ranges.slice(0, this.#next)];
    for (let steps = 0; steps < STEPS && found.length < asked.limit; steps++) {
      const range = todo.shift();
      if (range === undefined) break;
      const rows = await this.#read(range, asked.limit - found.length, asked.passedOver);
      if (rows.ok) found.push(...rows.rows);
      else if (!mayBeOneRow(rows.failure)) return rows.failure;
      // DUE_PAGES-1
      else if (range.to - range.from > 1) todo.unshift(...halves(range));
      else damaged.push({ place: `page ${range.from} of ${range.partition}`, failure: rows.failure });
    }
    this.#next = todo[0]?.at ?? 0;
    return null;
  }

  #read({ partition, from, to }: Range, limit: number, passedOver: readonly string[]): Promise<DbResult<Found>> {
    return this.#pool.run<Found>(rowsOf(partition), [from, to, pgArray(passedOver), limit]);
  }

  /** Those of the given rows that are the oldest of their lane, as far as that can be read. */
  #heads(messageIds: readonly string[]): Promise<DbResult<{ messageId: string }>> {
    if (messageIds.length === 0) return Promise.resolve({ ok: true, rows: [] });
    const read = (part: readonly string[]) => this.#pool.run<{ messageId: string }>(HEADS, [pgArray(part)]);
    return apart(messageIds, read, UNREADABLE_HEADS);
  }
}

function rangesOf(partitions: readonly Partition[]): Range[] {
  const ranges = partitions.flatMap(({ name, pages }) =>
    Array.from({ length: Math.ceil(pages / PAGES) }, (_, step) => {
      return { partition: name, from: step * PAGES, to: Math.min(pages, (step + 1) * PAGES) };
    }),
  );
  return ranges.map((range, at) => ({ ...range, at }));
}

function halves(range: Range): Range[] {
  const middle = Math.ceil((range.from + range.to) / 2);
  return [
    { ...range, to: middle },
    { ...range, from: middle },
  ];
}
