/** `acktor dead-letters list` and `show`. */
import type { z } from "zod";
import type { Api } from "../api/api.ts";
import type { ExitCode } from "../exit.ts";
import type { deadLettersOutput } from "../outputs.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { renderTable } from "../terminal/table.ts";
import { formatNumber, formatTime } from "../texts/format.ts";
import { type MessagePage, type MessageRow, messagesTable } from "./messages.ts";
import { paintState } from "./status-tables.ts";

type DeadLetters = z.infer<typeof deadLettersOutput>;

export async function list(session: Session, api: Api): Promise<ExitCode> {
  const dead = await api.get<DeadLetters>("/v1/dead-letters");
  if (!dead.ok) return session.fail(dead.failure);
  return session.answer(dead.value, (shown) => groupsTable(session, shown));
}

function groupsTable(session: Session, { groups, complete }: DeadLetters): string {
  const { deadLetters: t, status, messages } = session.texts;
  if (groups.length === 0) return t.none;
  const rows = groups.map((group) => [
    formatNumber(group.count),
    paintState(session, group.state),
    formatTime(group.oldest),
    formatTime(group.newest),
    printable(group.reason ?? "-", 200),
  ]);
  const head = [status.count, status.state, t.oldest, t.newest, messages.reason];
  const table = renderTable({ title: t.title, head, rows }, session.terminal.columns);
  return complete ? table : `${table}\n${t.incomplete}`;
}

export interface ShowOptions {
  readonly reason?: string;
  readonly topic?: string;
  readonly limit: number;
}

const PAGE = 1_000;
/** The most pages that one command reads; a rare reason may be on a later one. */
const MOST_PAGES = 20;

export async function show(session: Session, api: Api, { reason, topic, limit }: ShowOptions): Promise<ExitCode> {
  const found: MessageRow[] = [];
  for (const state of ["failed", "expired"]) {
    let before: string | null = null;
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const query: URLSearchParams = new URLSearchParams({ state, limit: String(PAGE) });
      if (topic !== undefined) query.set("topic", topic);
      if (before !== null) query.set("before", before);
      const page = await api.get<MessagePage>(`/v1/messages?${query}`);
      if (!page.ok) return session.fail(page.failure);
      found.push(...page.value.messages.filter((m) => isOpen(m) && (reason === undefined || m.reason === reason)));
      before = page.value.next_before;
      if (before === null || found.length >= limit) break;
    }
  }
  const messages = found.sort((a, b) => (a.message_id < b.message_id ? 1 : -1)).slice(0, limit);
  const output = { messages, next_before: null };
  return session.answer(output, (shown) => messagesTable(session, session.texts.deadLetters.title, shown.messages));
}

/** Discarded dead letters are handled. */
function isOpen(message: MessageRow): boolean {
  return (message["discarded_at"] ?? null) === null;
}
