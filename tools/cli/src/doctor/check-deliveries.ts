/**
 * What became of the newest messages, by the outbox: answers that do not come, topics that the broker refuses, silent
 * destinations, dead letters.
 */
import { printable } from "../terminal/printable.ts";
import { failed, ok, warn } from "./check.ts";
import { databaseCheck } from "./database-check.ts";

/** Messages that are looked at, the newest. */
const NEWEST = 1_000;
/** So many without any answer are a fault of the installation, not of one receiver. */
const MANY = 5;
const TENTH = 0.1;
const SHOWN = 3;
/** PUBACK: no client had subscribed. */
const NO_SUBSCRIBER = 16;

interface DeliveryRow {
  readonly messages: number;
  readonly acknowledged: number;
  /** Published some time ago, and not answered. */
  readonly unanswered: number;
  /** Not published, because earlier ones to their destination have no answer. */
  readonly behind: number;
  /** Of the unanswered ones, by the last PUBACK of MQTT 5. */
  readonly unheard: number;
  readonly topics: string | null;
}

export const DELIVERIES = databaseCheck<DeliveryRow>({
  id: "deliveries",
  needs: "publisher.message_delivery",
  question: `with newest as materialized (
      select topic, state, ack_level, last_reason_code,
        requires_ack and due_at is not null and attempts > 0 and sent_at < now() - interval '5 s' silent,
        due_at is not null and attempts = 0 and parked behind
      from publisher.message_delivery order by message_id desc limit ${NEWEST})
    select count(*)::int4 messages,
      count(*) filter (where state = 'acknowledged' and ack_level <> 'broker')::int4 acknowledged,
      count(*) filter (where silent)::int4 unanswered, count(*) filter (where behind)::int4 behind,
      count(*) filter (where silent and last_reason_code = ${NO_SUBSCRIBER})::int4 unheard,
      (select string_agg(left(topic, 60), ', ') from (select topic from newest where silent group by topic order by count(*) desc, topic limit ${SHOWN}) t) topics
    from newest`,
  judge([row], { texts: t }) {
    if (row === undefined) return null;
    const { messages, acknowledged, unanswered, behind, unheard } = row;
    const topics = printable(row.topics ?? "", 200);
    const data = { messages, acknowledged, unanswered, behind, no_subscriber: unheard };
    if (unanswered === 0) return ok("deliveries", t.deliveriesFound(messages, acknowledged), data);
    const found = t.unanswered(messages, acknowledged, unanswered, behind, topics);
    const fix = unheard * 2 > unanswered ? t.unheardFix : t.unansweredFix;
    if (acknowledged === 0 && unanswered + behind >= MANY) return failed("deliveries", found, fix, data);
    if (acknowledged > 0 && unanswered < TENTH * messages) return ok("deliveries", found, data);
    return warn("deliveries", found, acknowledged === 0 ? fix : t.someUnansweredFix, data);
  },
});

interface RefusedRow {
  readonly topic: string;
  readonly code: number;
  readonly messages: number;
  readonly topics: number;
  readonly total: number;
}

/** Reason codes of PUBACK with a remedy of their own. */
const REFUSALS: Readonly<Record<number, "forbiddenFix" | "quotaFix" | "topicNameFix">> = {
  135: "forbiddenFix",
  144: "topicNameFix",
  151: "quotaFix",
};

export const REFUSED_TOPICS = databaseCheck<RefusedRow>({
  id: "refused topics",
  needs: "publisher.message_delivery",
  question: `with refused as materialized (select topic, last_reason_code code from publisher.message_delivery
      where coalesce(due_at, due_at) is not null and last_outcome = 'refused' limit 10000)
    select min(topic) topic, code::int4, count(*)::int4 messages, count(distinct topic)::int4 topics, sum(count(*)) over ()::int4 total
    from refused group by code order by count(*) desc limit 1`,
  judge([row], { texts: t }) {
    if (row === undefined) return ok("refused topics", t.noRefused);
    const { topic, code, messages, topics, total } = row;
    const reason = `0x${code.toString(16)}`;
    const found = t.refused(total, reason, messages, topics, printable(topic, 60));
    return warn("refused topics", found, t[REFUSALS[code] ?? "refusedFix"], { messages: total, reason_code: code });
  },
});

interface SilentRow {
  readonly destinations: number;
  readonly never: number;
  /** Seconds. */
  readonly longest: number | null;
  readonly names: string | null;
}

export const SILENT_DESTINATIONS = databaseCheck<SilentRow>({
  id: "silent destinations",
  needs: "publisher.destination",
  question: `select count(*)::int4 destinations, count(*) filter (where last_answer_at is null)::int4 never,
      extract(epoch from now() - min(parked_at))::float8 longest,
      (select string_agg(left(destination, 60), ', ') from (select destination from publisher.destination where parked_at is not null
        order by parked_at limit ${SHOWN}) d) names
    from publisher.destination where parked_at is not null`,
  judge([row], { texts: t, config }) {
    if (row === undefined || row.destinations === 0) return ok("silent destinations", t.noSilent);
    const { destinations, never } = row;
    const seconds = Math.round(row.longest ?? 0);
    const names = printable(row.names ?? "", 200);
    const found = t.silent(destinations, never, seconds, names);
    const data = { destinations, never_answered: never, longest_seconds: seconds };
    if (seconds * 1_000 < config.ACKTOR_OLD_WAITING) return ok("silent destinations", found, data);
    return warn("silent destinations", found, t.silentFix, data);
  },
});

interface DeadRow {
  readonly total: number;
  readonly reason: string | null;
  readonly messages: number;
}

export const DEAD_LETTERS = databaseCheck<DeadRow>({
  id: "dead letters",
  needs: "publisher.message_delivery",
  question: `with dead as materialized (select reason from publisher.message_delivery
      where state = 'failed' and discarded_at is null order by message_id desc limit 10000)
    select sum(count(*)) over ()::int4 total, reason, count(*)::int4 messages from dead group by reason order by count(*) desc limit ${SHOWN}`,
  judge(rows, { texts: t }) {
    const [first] = rows;
    if (first === undefined) return ok("dead letters", t.noDead);
    const reasons = rows.map(({ reason, messages }) => `${messages} ${printable(reason ?? "", 80)}`).join("; ");
    return warn("dead letters", t.dead(first.total, reasons), t.deadFix, { messages: first.total });
  },
});
