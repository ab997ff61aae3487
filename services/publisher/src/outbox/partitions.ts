/**
 * Makes and drops the partitions of days: finished messages leave with their day's partitions, never row by row.
 *
 * Three days ahead, no more: PostgreSQL 18 looks every message up in every partition (docs/adr/0015), about 1 µs each. After
 * more days without a publisher the rows are in the default partition, which then becomes the partition of those days.
 *
 * Invariants:
 *  PARTITION-1. No statement here waits for a lock longer than 100 ms, because all traffic would queue behind it; a day whose
 *               lock was not free is tried again at the next call.
 *  PARTITION-2. An insert that waits while rows move is stored; it is not refused.
 *  PARTITION-3. Millions of rows of days without partitions do not move, and lock traffic out for milliseconds only.
 *  PARTITION-4. What an adoption notes on the default partition refuses rows: it is there only while one is under way, and rows
 *               of other days, however many, do not keep a day to come from being made.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import { pause } from "@acktor/shared/runtime/pause";
import type { Outcome } from "./outbox.ts";

const LOCK_NOT_AVAILABLE = "55P03";
/** Another replica ended the adoption. */
const UNDEFINED_OBJECT = "42704";
/** Making or dropping a day may scan its rows. */
const DEADLINE_MS = 60_000;
/** Reading every row of the days without partitions once: some seconds for a million. */
const VALIDATION_MS = 1_800_000;
const LOCK_TRIES = 50;
const LOCK_PAUSE_MS = 200;
/** Days with rows of senders whose clock is wrong, which are made before an adoption. */
const MOST_OTHER_DAYS = 50;
const STRAGGLERS = 1_000;

export interface DaysDone {
  /** `2026-01-31`, UTC. */
  readonly done: readonly string[];
  /** Locked: again later. */
  readonly waiting: readonly string[];
  /** Not made because of many rows in the default partition, not dropped because of live ones. */
  readonly full: readonly string[];
}

const MISSING = `select d::date::text as day from generate_series((now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 3, interval '1 day') d
where d::date not in (select publisher.partition_days()) order by 1`;

// Never less than the retention that the database knows (another replica may have set a longer one): it would refuse.
const KEEP = "greatest($1::float8 * interval '1 millisecond', publisher.retention())";

const OLD = `select day::text as day from publisher.partition_days() day
where (day + 1)::timestamp at time zone 'UTC' <= now() - ${KEEP} order by 1`;

const DELETE_STRAGGLERS = `select publisher.delete_stragglers(${KEEP}, ${STRAGGLERS}) deleted`;

const CREATE = "select publisher.create_partition($1::text::date) as done";

const CREATE_ANYWAY = "select publisher.create_partition($1::text::date, true) as done";

const BEGIN = `select first_day::text as "firstDay", last_day::text as "lastDay", other_day::text as "otherDay"
from publisher.begin_adoption($1::text::date)`;

const KEEP_OUT = "select publisher.keep_out($1::text::date) as done";

const END = "select publisher.end_adoption()";

const VALIDATE = "select publisher.validate_adoption()";

const FINISH = "select publisher.finish_adoption($1::text::date, $2::text::date)";

/** Makes the partitions of yesterday to three days ahead that are missing, and ends an adoption that a crash left. */
export async function ensurePartitions(pool: Pool): Promise<Outcome<DaysDone>> {
  const ended = await pool.run(END); // PARTITION-4
  if (!ended.ok && !isLocked(ended.failure)) return ended;
  const missing = await pool.run<{ day: string }>(MISSING);
  if (!missing.ok) return missing;
  return each(pool, CREATE, missing.rows);
}

export interface Adopted {
  readonly firstDay: string;
  readonly lastDay: string;
}

/**
 * Makes the default partition the partition of the days without one around `day`, with all their rows. Where that is not
 * possible, makes `day` alone if it is after tomorrow.
 * @returns null where neither is possible now: locked, or rows of days beyond all limits
 */
export async function adoptDays(pool: Pool, day: string): Promise<Outcome<Adopted | null>> {
  const adopted = await tryAdoption(pool, day);
  if (!adopted.ok || adopted.value === null) await pool.run(END); // PARTITION-4
  if (!adopted.ok && (isLocked(adopted.failure) || isOver(adopted.failure))) return { ok: true, value: null };
  return adopted;
}

async function tryAdoption(pool: Pool, day: string): Promise<Outcome<Adopted | null>> {
  const range = await beginAdoption(pool, day);
  if (!range.ok) return range;
  if (range.value === null) {
    const kept = await pool.run<{ done: boolean }>(KEEP_OUT, [day], { deadlineMs: DEADLINE_MS });
    if (!kept.ok) return kept;
    if (kept.rows[0]?.done !== true) return range;
  }
  const validated = await pool.run(VALIDATE, [], { deadlineMs: VALIDATION_MS });
  if (!validated.ok) return validated;
  const { firstDay, lastDay } = range.value ?? { firstDay: day, lastDay: day };
  const [last, params] = range.value === null ? [CREATE_ANYWAY, [day]] : [FINISH, [firstDay, lastDay]];
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    const finished = await pool.run(last, params, { deadlineMs: DEADLINE_MS });
    if (finished.ok) return { ok: true, value: { firstDay, lastDay } };
    if (!isLocked(finished.failure)) return finished; // PARTITION-1
    await pause(LOCK_PAUSE_MS, new AbortController().signal);
  }
  return { ok: true, value: null };
}

async function beginAdoption(pool: Pool, day: string): Promise<Outcome<Adopted | null>> {
  for (let days = 0; days < MOST_OTHER_DAYS; days++) {
    const begun = await pool.run<Adopted & { otherDay: string | null }>(BEGIN, [day], { deadlineMs: DEADLINE_MS });
    if (!begun.ok) return isLocked(begun.failure) ? { ok: true, value: null } : begun;
    const [range] = begun.rows;
    if (range === undefined || range.otherDay === null) return { ok: true, value: range ?? null };
    const made = await pool.run<{ done: boolean }>(CREATE_ANYWAY, [range.otherDay], { deadlineMs: DEADLINE_MS });
    if (!made.ok || made.rows[0]?.done !== true) break;
  }
  return { ok: true, value: null };
}

/**
 * Drops the days that ended before `retentionMs` ago and have no live row.
 * @param retentionMs from the end of the day
 */
export async function dropOldPartitions(pool: Pool, retentionMs: number): Promise<Outcome<DaysDone>> {
  const old = await pool.run<{ day: string }>(OLD, [retentionMs]);
  if (!old.ok) return old;
  return each(pool, "select publisher.drop_partition($1::text::date) as done", old.rows);
}

/** Deletes one batch of old finished rows from the default partition. @returns how many; STRAGGLERS = there may be more */
export async function deleteStragglers(
  pool: Pool,
  retentionMs: number,
): Promise<Outcome<{ readonly deleted: number; readonly more: boolean }>> {
  const answer = await pool.run<{ deleted: number }>(DELETE_STRAGGLERS, [retentionMs]);
  if (!answer.ok) return answer;
  const deleted = answer.rows[0]?.deleted ?? 0;
  return { ok: true, value: { deleted, more: deleted === STRAGGLERS } };
}

async function each(pool: Pool, text: string, days: readonly { readonly day: string }[]): Promise<Outcome<DaysDone>> {
  const done: string[] = [];
  const waiting: string[] = [];
  const full: string[] = [];
  for (const { day } of days) {
    const answer = await pool.run<{ done: boolean }>(text, [day], { deadlineMs: DEADLINE_MS });
    if (!answer.ok && !isLocked(answer.failure)) return answer; // PARTITION-1
    (!answer.ok ? waiting : answer.rows[0]?.done ? done : full).push(day);
  }
  return { ok: true, value: { done, waiting, full } };
}

function isLocked(failure: DbFailure): boolean {
  return failure.kind === "rejected" && failure.code === LOCK_NOT_AVAILABLE;
}

function isOver(failure: DbFailure): boolean {
  return failure.kind === "rejected" && failure.code === UNDEFINED_OBJECT;
}
