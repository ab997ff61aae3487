/** A publisher in this process with the test's broker and database. */
import type { TestContext } from "node:test";
import { startPublisher } from "@acktor/publisher/app";
import { cleanUp } from "./cleanup.ts";
import { until } from "./until.ts";

export interface TestPublisher {
  readonly url: string;
  /** Log lines as written. */
  readonly log: readonly string[];
  /** A request with a JSON body, and with the token if there is one. */
  ask(method: string, route: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<TestAnswer>;
  /** POST /v1/messages, which must be accepted. @returns the id */
  send(body: object): Promise<string>;
  state(id: string): Promise<string>;
  /** Stops it before the end of the test. */
  stop(): Promise<void>;
  /** The outcomes of everything that arrived under the ack prefix. */
  acks(): Promise<Readonly<Record<string, number>>>;
}

export interface TestAnswer {
  readonly status: number;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/** Starts a publisher. It is RUNNING and CONNECTED when this resolves, and is stopped after the test. */
export async function testPublisher(t: TestContext, env: Readonly<Record<string, string>>): Promise<TestPublisher> {
  const log: string[] = [];
  const token = env["ACKTOR_API_TOKEN"];
  const running = await startPublisher(
    { HTTP_PORT: "0", ACKTOR_INSTANCE: "publisher-1", ...env },
    { logStream: { write: (line: string) => void log.push(line) } },
  );
  if (!running.ok) throw new Error(running.faults.join("\n"));
  cleanUp(t, () => running.stop());
  const ask: TestPublisher["ask"] = async (method, route, body, headers = {}) => {
    const response = await fetch(`${running.url}${route}`, {
      method,
      headers: {
        ...(body === undefined && method === "GET" ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = (response.headers.get("content-type") ?? "").includes("application/json");
    const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
    return { status: response.status, text, json, headers: response.headers };
  };
  const status = async () => (await ask("GET", "/v1/status")).json as { connection: { state: string }; acks: object };
  await until(async () => (await status()).connection.state === "CONNECTED", 15_000, "the publisher to be CONNECTED");
  return {
    url: running.url,
    log,
    ask,
    async send(body) {
      const { status: code, json, text } = await ask("POST", "/v1/messages", body);
      if (code !== 201) throw new Error(`not accepted: ${text}`);
      return String(json["message_id"]);
    },
    async stop() {
      await running.stop();
    },
    state: async (id) => String((await ask("GET", `/v1/messages/${id}`)).json["state"]),
    acks: async () => (await status()).acks as Record<string, number>,
  };
}
