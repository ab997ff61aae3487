/**
 * For the WHERE of a statement that reads live rows by their ids: the very predicate of the index `message_delivery_live`.
 *
 * It is written so that no other condition implies it. With `due_at is not null` for it, every statement that says so, or
 * `due_at <= now()`, may use that index; and where a day's live rows were few when PostgreSQL last analysed it, reading
 * the whole of it looks cheaper than looking ten rows up. A claim then took more than 60 s (200,000 rows finished behind an
 * open reader, analysed; it takes 0.15 s).
 * @param row alias of message_delivery
 */
export function isLive(row: string): string {
  return `coalesce(${row}.due_at, ${row}.due_at) is not null`;
}
