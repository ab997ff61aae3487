/** The tables of the demonstration, and its checks by SQL. */
import type { DemoStage, PublisherStatus } from "./demo-stage.ts";
import { type DemoTexts, fill } from "./demo-texts.ts";
import { renderTable } from "./table.ts";

export function connectionTable({ connection }: PublisherStatus, texts: DemoTexts): string {
  const uptime = connection.uptime_seconds;
  const rows = [
    [texts.state, connection.state],
    [texts.broker, connection.broker],
    [texts.clientId, connection.client_id],
    ...(uptime === null ? [] : [[texts.uptime, fill(texts.seconds, uptime.toFixed(1))]]),
    [texts.retries, String(connection.retry_count)],
    [texts.breaker, connection.breaker],
    [texts.buffer, String(connection.buffer_size ?? "-")],
    ...(connection.last_error === null ? [] : [[texts.lastError, connection.last_error.reason]]),
  ];
  return renderTable(texts.connection, [texts.item, texts.value], rows);
}

export function statisticsTables({ statistics }: PublisherStatus, texts: DemoTexts): string {
  const table = renderTable(
    texts.statistics,
    [texts.item, texts.value],
    [
      [texts.attempts, String(statistics.connection_attempts)],
      [texts.successes, String(statistics.successful_connections)],
      [texts.disconnections, String(statistics.disconnections)],
      [texts.sent, String(statistics.messages_sent)],
      [texts.received, String(statistics.messages_received)],
    ],
  );
  const errors = Object.entries(statistics.errors_by_type).map(([type, count]) => [type, String(count)]);
  if (errors.length === 0) return table;
  return `${table}\n\n${renderTable(texts.errors, [texts.errorType, texts.count], errors)}`;
}

interface StateRow {
  readonly state: string;
  readonly count: number;
  readonly mean_retries: number;
}

export async function deliveryTable(stage: DemoStage, texts: DemoTexts): Promise<string> {
  const states = await stage.sql<StateRow>(
    `select state::text, count(*)::int, avg(retry_count)::float as mean_retries
     from publisher.message_delivery group by state order by state`,
  );
  const rows = states.map((row) => [row.state, String(row.count), row.mean_retries.toFixed(1)]);
  const count = (...names: string[]): number => {
    return states.filter((row) => names.includes(row.state)).reduce((sum, row) => sum + row.count, 0);
  };
  const total = states.reduce((sum, row) => sum + row.count, 0);
  const rate = total === 0 ? 100 : (100 * count("acknowledged")) / total;
  return [
    renderTable(texts.delivery, [texts.state, texts.count, texts.meanRetries], rows),
    `${texts.total}: ${total}`,
    `${texts.successRate}: ${rate.toFixed(1)} %`,
    `${texts.pending}: ${count("pending", "sent")}`,
  ].join("\n");
}

interface Found {
  readonly rows: number;
  readonly acknowledged: number;
  readonly processed: number;
  readonly same: number;
  readonly doubles: number;
  readonly acks: number;
}

export interface SelfCheck {
  readonly passed: boolean;
  /** For programs: what was found, and what had to be. */
  readonly checks: readonly { readonly check: string; readonly found: number; readonly wanted: number }[];
  readonly table: string;
}

/** Compares both databases' tables with what HTTP promised. */
export async function selfCheck(stage: DemoStage, texts: DemoTexts): Promise<SelfCheck> {
  const promised = stage.accepted.length;
  const [found] = await stage.sql<Found>(FACTS, [`{${stage.accepted.join(",")}}`]);
  if (found === undefined) throw new Error("an aggregate gives one row");
  const facts: [check: string, name: string, is: number, wanted: number][] = [
    ["accepted", texts.checkAccepted, found.rows, promised],
    ["acknowledged", texts.checkAcknowledged, found.acknowledged, promised],
    ["processed", texts.checkInbox, found.processed, promised],
    ["same_content", texts.checkContent, found.same, promised],
    ["doubles", texts.checkDoubles, found.doubles, 0],
    ["acks", texts.checkAcks, found.acks, promised],
  ];
  const rows = facts.map(([, name, is, wanted]) => [name, `${is} / ${wanted}`, is === wanted ? "OK" : "FAILED"]);
  return {
    passed: facts.every(([, , is, wanted]) => is === wanted),
    checks: facts.map(([check, , is, wanted]) => ({ check, found: is, wanted })),
    table: renderTable(texts.checks, [texts.check, texts.found, texts.result], rows),
  };
}

/** $1: ids that were answered with 201. A message without its row in one of the tables is in no count but the last. */
const FACTS = `
with promised as (select distinct unnest($1::uuid[]) as message_id),
effects as (select message_id, count(*) as n from acker.inbox where status = 'processed' group by message_id)
select count(m.message_id)::int as rows,
       count(*) filter (where m.state = 'acknowledged')::int as acknowledged,
       count(i.message_id)::int as processed,
       count(*) filter (where i.content = m.payload and i.topic = m.topic)::int as same,
       (select count(*) from effects where n > 1 or message_id not in (table promised))::int as doubles,
       (select count(distinct message_id) from publisher.delivery_acknowledgment where level = 'processed')::int as acks
from promised p
left join publisher.message_delivery m using (message_id)
left join acker.inbox i on i.message_id = p.message_id and i.status = 'processed'`;
