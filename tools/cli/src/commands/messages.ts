/** `acktor messages list` and `show`. */
import type { z } from "zod";
import type { Api } from "../api/api.ts";
import type { ExitCode } from "../exit.ts";
import type { messageOutput, messageRow, messagesOutput } from "../outputs.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { renderTable } from "../terminal/table.ts";
import { formatNumber, formatTime } from "../texts/format.ts";
import { paintState } from "./status-tables.ts";

export type MessageRow = z.infer<typeof messageRow>;
type Message = z.infer<typeof messageOutput>;
export type MessagePage = z.infer<typeof messagesOutput>;

export interface ListOptions {
  readonly state?: string;
  readonly topic?: string;
  readonly limit: number;
  readonly before?: string;
}

const PAYLOAD_SHOWN = 40;

export async function list(session: Session, api: Api, options: ListOptions): Promise<ExitCode> {
  const query = new URLSearchParams({ limit: String(options.limit) });
  for (const name of ["state", "topic", "before"] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  const page = await api.get<MessagePage>(`/v1/messages?${query}`);
  if (!page.ok) return session.fail(page.failure);
  return session.answer(page.value, ({ messages, next_before }) => {
    const more = next_before === null ? [] : [session.texts.messages.more(next_before)];
    return [messagesTable(session, session.texts.messages.title, messages), ...more].join("\n");
  });
}

export function messagesTable(session: Session, title: string, messages: readonly MessageRow[]): string {
  const { texts, terminal } = session;
  const { messages: t, status } = texts;
  if (messages.length === 0) return t.none;
  const rows = messages.map((message) => [
    message.message_id,
    paintState(session, message.state),
    formatNumber(message.retry_count),
    formatTime(message.created_at),
    printable(message.topic, 60),
    [message.reason, message.content_encoding === "utf8" ? message.payload : `base64 ${message.payload}`]
      .filter((part) => part !== null)
      .map((part) => printable(part, PAYLOAD_SHOWN))
      .join(" | "),
  ]);
  const head = [t.id, status.state, t.retries, t.created, t.topic, t.reasonAndPayload];
  return renderTable({ title, head, rows }, terminal.columns);
}

export async function show(session: Session, api: Api, id: string): Promise<ExitCode> {
  const message = await api.get<Message>(`/v1/messages/${encodeURIComponent(id)}`);
  if (!message.ok) return session.fail(message.failure);
  return session.answer(message.value, (shown) => messageTables(session, shown));
}

function messageTables(session: Session, message: Message): string {
  const { attempts, attempts_total, acks, acks_total, ...row } = message;
  const { texts, terminal } = session;
  const { messages: t, status } = texts;
  const rows = Object.entries(row)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [name, name === "state" ? paintState(session, String(value)) : cell(name, value)]);
  const tables = [{ title: t.one, head: [status.item, status.value], rows }];
  if (attempts.length > 0) {
    const head = [t.attempt, t.outcome, t.reasonCode, t.sentAt, t.detail];
    const lines = attempts.map((a) => [
      String(a.attempt),
      a.outcome,
      String(a.reason_code ?? "-"),
      formatTime(a.sent_at),
      [a.client_id, a.detail]
        .filter((part) => part !== null)
        .map((part) => printable(part, 80))
        .join(" "),
    ]);
    tables.push({ title: pageTitle(t.attempts, row, "attempts", lines.length, attempts_total), head, rows: lines });
  }
  if (acks.length > 0) {
    const head = [t.receiver, t.acknowledgedAt, t.level, t.late];
    const lines = acks.map((a) => [
      printable(a.client_id, 80),
      formatTime(a.acknowledged_at),
      a.level,
      a.late ? texts.yes : texts.no,
    ]);
    tables.push({ title: pageTitle(t.acks, row, "acks", lines.length, acks_total), head, rows: lines });
  }
  return tables.map((table) => renderTable(table, terminal.columns)).join("\n\n");
}

/** The service returns the first page; the title shows where the others are. */
function pageTitle(
  title: string,
  row: { readonly message_id: string },
  what: string,
  shown: number,
  total = shown,
): string {
  return total > shown
    ? `${title}: ${shown} / ${total}, GET /v1/messages/${row.message_id}/${what}?after=${shown}`
    : title;
}

function cell(name: string, value: unknown): string {
  return /_(at|until)$/.test(name) ? formatTime(String(value)) : printable(String(value), 500);
}
