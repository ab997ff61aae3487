/**
 * The claim in two steps, for when a row among the due ones makes it fail: list the due rows, then lease given ones. The list
 * reads no content and locks nothing, so that a damaged content does not make it fail.
 *
 * The lease takes only what the claim would take: it leaves a row that another publisher has leased, parked or ended meanwhile.
 *
 * Invariants:
 *  CLAIM_APART-1. A row that is passed over hides no other row of its lane.
 */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import {
  ANY_PARKED,
  HORIZON,
  isBehindParked,
  isBehindRetained,
  LEASE_PICKED,
  NEXT_LANE,
  passesParking,
  runClaim,
  walkOf,
} from "./claim-due.ts";
import type { Claimed, ClaimOptions, Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

const PASSED_OVER = "$3::uuid[]";
// CLAIM_APART-1
const except = (row: string): string => ` and ${row}.message_id <> all (${PASSED_OVER})`;

const LIST = `with recursive ${walkOf("$2", except)},
keyed as materialized (
  select m.message_id, m.due_at
  from (select unnest(heads) message_id from walk) h join publisher.message_delivery m using (message_id)
  where ${planForFewRows("h.message_id")} and m.due_at <= now() and not m.parked and (m.expires_at is null or m.expires_at > now())
    and not ${isBehindRetained("m", except)}
    and not ${isBehindParked("m")}
  order by m.due_at limit $1),
plain as materialized (
  select m.message_id, m.due_at from publisher.message_delivery m
  where m.due_at is not null and m.lane is null and not m.parked
    and m.due_at <= now() and (m.expires_at is null or m.expires_at > now())${except("m")}
  order by m.due_at limit $1)
select u.message_id, w.next_lane, ${HORIZON} from ${NEXT_LANE} w
left join (select * from (table keyed union all table plain) u order by due_at limit $1) u on true order by u.due_at`;

const LEASE = `with pick as materialized (
  select m.message_id, m.due_at, m.topic, ${passesParking("m")} for_later, ${isBehindParked("m")} blocked
  from unnest($1::uuid[]) i(id) join publisher.message_delivery m on m.message_id = i.id
  where ${planForFewRows("i.id")} and m.due_at <= now() and not m.parked and (m.expires_at is null or m.expires_at > now())
  order by m.due_at for update of m skip locked),
${LEASE_PICKED}
select l.*, '' next_lane, f.parked, ${ANY_PARKED} any_parked, ${HORIZON}
from (select count(*)::int4 parked from set_aside) f left join leased l on true order by l.was_due`;

export interface DueList extends Pick<Claimed, "nextLaneCursor" | "horizon"> {
  readonly messageIds: readonly string[];
  /** More rows may be due than were read. */
  readonly isPartial?: boolean;
}

/** Lists rows that the claim would lease, oldest due first, without those of `passedOver`. */
export async function listDue(
  pool: Pool,
  { limit, laneCursor }: Pick<ClaimOptions, "limit" | "laneCursor">,
  passedOver: readonly string[],
): Promise<Outcome<DueList>> {
  type Row = { message_id: string | null; next_lane: string; at: string; xmin: string; xmax: string };
  const answer = await pool.run<Row>(LIST, [limit, laneCursor, pgArray(passedOver)]);
  if (!answer.ok) return answer;
  const [first] = answer.rows;
  return {
    ok: true,
    value: {
      messageIds: answer.rows.flatMap(({ message_id }) => (message_id === null ? [] : [message_id])),
      nextLaneCursor: first?.next_lane ?? "",
      horizon: { at: first?.at ?? "", xmin: first?.xmin ?? "0", xmax: first?.xmax ?? "0" },
    },
  };
}

/** Leases those of the given rows that are still due. */
export function leaseThese(
  pool: Pool,
  messageIds: readonly string[],
  { leaseMs, instance }: Pick<ClaimOptions, "leaseMs" | "instance">,
): Promise<Outcome<Claimed>> {
  return runClaim(pool, LEASE, [pgArray(messageIds), leaseMs, instance]);
}
