/**
 * `acktor token create|list|revoke`: who may do what with the service.
 *
 * Invariants:
 *  PRINT_TOKEN-1. Standard output receives only the token, so that it can go into a file or a secret store. Everything else
 *                 goes to standard error.
 */
import type { z } from "zod";
import type { Api } from "../api/api.ts";
import type { ExitCode } from "../exit.ts";
import type { tokenOutput, tokensOutput } from "../outputs.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { renderTable } from "../terminal/table.ts";
import { formatNumber, formatTime } from "../texts/format.ts";
import { operator } from "./change-dead-letters.ts";

export interface CreateOptions {
  readonly scope: readonly string[];
  readonly topics?: readonly string[];
  readonly write?: readonly string[];
  readonly read?: readonly string[];
  /** Requests a second. */
  readonly rate?: number;
  readonly mostWaiting?: number;
  /** Milliseconds. */
  readonly expires?: number;
}

type Created = z.infer<typeof tokenOutput>;
type Principal = z.infer<typeof tokensOutput>["principals"][number];

export async function create(session: Session, api: Api, name: string, options: CreateOptions): Promise<ExitCode> {
  const created = await api.post<Created>("/v1/principals", body(name, options), claimedUser(session));
  if (!created.ok) return session.fail(created.failure);
  const { tokens: t } = session.texts;
  if (!session.json)
    // PRINT_TOKEN-1
    session.terminal.note(`${t.made(printable(name), describeRights(session, created.value))}\n${t.once}`);
  return session.answer(created.value, () => printable(created.value.token));
}

function body(
  name: string,
  { scope, topics, write = topics, read = topics, rate, mostWaiting, expires }: CreateOptions,
): object {
  const filters = { ...(write === undefined ? {} : { write }), ...(read === undefined ? {} : { read }) };
  return {
    name,
    scopes: scope,
    topics: filters,
    ...(rate === undefined ? {} : { requests_per_second: rate }),
    ...(mostWaiting === undefined ? {} : { most_waiting: mostWaiting }),
    ...(expires === undefined ? {} : { expires_in_seconds: Math.ceil(expires / 1_000) }),
  };
}

export async function list(session: Session, api: Api): Promise<ExitCode> {
  const answer = await api.get<z.infer<typeof tokensOutput>>("/v1/principals");
  if (!answer.ok) return session.fail(answer.failure);
  return session.answer(answer.value, (shown) => tokensTable(session, shown.principals));
}

export async function revoke(session: Session, api: Api, name: string): Promise<ExitCode> {
  const answer = await api.delete<object>(`/v1/principals/${encodeURIComponent(name)}`, claimedUser(session));
  if (!answer.ok) return session.fail(answer.failure);
  return session.answer(answer.value, () => session.texts.tokens.revoked(printable(name)));
}

/** The name of the user of this machine, for the audit. */
function claimedUser(session: Session): Readonly<Record<string, string>> {
  return { "x-acktor-user": operator(session) };
}

function tokensTable(session: Session, principals: readonly Principal[]): string {
  const { tokens: t } = session.texts;
  if (principals.length === 0) return t.none;
  const now = Date.now();
  const rows = principals.map((principal) => [
    printable(principal.name),
    stateOf(session, principal, now),
    printable(principal.scopes.join(",")),
    filters(session, principal.topics.write),
    filters(session, principal.topics.read),
    quota(principal.requests_per_second),
    quota(principal.most_waiting),
    formatTime(principal.expires_at),
    `${formatTime(principal.created_at)} ${printable(principal.created_by, 63)}`,
  ]);
  const head = [t.name, t.state, t.scopes, t.write, t.read, t.rate, t.mostWaiting, t.expires, t.created];
  return renderTable({ title: t.title, head, rows }, session.terminal.columns);
}

/** By this machine's clock, which may differ slightly from the publisher's. */
function stateOf({ texts, terminal }: Session, principal: Principal, now: number): string {
  if (principal.revoked_at !== null) return terminal.paint("faint", texts.tokens.isRevoked);
  const isOver = principal.expires_at !== null && Date.parse(principal.expires_at) <= now;
  return isOver ? terminal.paint("faint", texts.tokens.isExpired) : texts.tokens.isInForce;
}

function describeRights(session: Session, { scopes, topics }: Principal): string {
  const { tokens: t } = session.texts;
  const [write, read] = [filters(session, topics.write), filters(session, topics.read)];
  return `${printable(scopes.join(","))}; ${t.write}: ${write}; ${t.read}: ${read}`;
}

function filters({ texts }: Session, list: readonly string[]): string {
  return list.length === 0 ? texts.tokens.noTopics : printable(list.join(","), 500);
}

function quota(value: number | null): string {
  return value === null ? "-" : formatNumber(value);
}
