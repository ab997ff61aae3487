/** What callers of a stack do: HTTP through `front` with the token, SQL as the operator in the database's container. */
import type { DbResult, Param, Pool } from "@acktor/shared/db/pool";
import { type PublisherProcess, toAnswer } from "../support/pair.ts";
import type { ComposeStack } from "./stack.ts";

/** Longer than the publisher's own 2 s for a database that is away. */
const REQUEST_MS = 5_000;

export interface Client extends Pick<PublisherProcess, "post"> {
  get(path: string): Promise<{ readonly status: number; readonly json: Record<string, unknown> }>;
}

export async function clientOf(stack: ComposeStack): Promise<Client> {
  const token = await stack.secret("front", "api-token");
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const request = async (path: string, init: RequestInit, more: Readonly<Record<string, string>> = {}) => {
    const signal = AbortSignal.timeout(REQUEST_MS);
    const response = await fetch(`${stack.url}${path}`, { ...init, headers: { ...headers, ...more }, signal });
    const json = (await response.json()) as Record<string, unknown>;
    return { status: response.status, json, headers: response.headers };
  };
  return {
    get: (path) => request(path, {}),
    async post(body, more = {}) {
      try {
        return toAnswer(await request("/v1/messages", { method: "POST", body: JSON.stringify(body) }, more));
      } catch (error) {
        return { kind: "unknown", status: null, why: String(error) };
      }
    },
  };
}

/** The stack's database as its superuser, by psql in the container: the way an operator has. */
export function operatorPool(stack: ComposeStack): Pick<Pool, "run"> {
  return {
    async run<Row>(
      text: string,
      params: readonly Param[] = [],
      options: { simple?: boolean } = {},
    ): Promise<DbResult<Row>> {
      const sql = params.reduce<string>((whole, value, at) => whole.replaceAll(`$${at + 1}`, literal(value)), text);
      const statement = options.simple ? sql : `select coalesce(json_agg(r), '[]') from (${sql}) r`;
      const said = await stack.psql(`${statement};`);
      if (said.code !== 0) {
        const message = said.output;
        return {
          ok: false,
          failure: { kind: "rejected", maybeCommitted: false, code: "psql", message, constraint: null },
        };
      }
      return { ok: true, rows: options.simple ? [] : (JSON.parse(said.output) as Row[]) };
    },
  };
}

function literal(value: Param): string {
  if (value === null) return "null";
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
}
