/**
 * For the WHERE of a statement that reads live rows by their ids: the exact predicate of the index `message_delivery_live`.
 *
 * No other condition implies it. If the index had the predicate `due_at is not null`, every statement with that condition or
 * with `due_at <= now()` could use it; and where a day's live rows were few when PostgreSQL last analysed the table, reading
 * the complete index looks cheaper than ten look-ups. A claim then took more than 60 s (200,000 rows finished behind an
 * open reader, analysed; it takes 0.15 s).
 * @param row alias of message_delivery
 */
export function isLive(row: string): string {
  return `coalesce(${row}.due_at, ${row}.due_at) is not null`;
}
