/**
 * Every command against a hostile server: each text of each answer tries to control the terminal, to
 * begin a new line, or to look like other output. In text and as JSON, piped and on a terminal, in two languages.
 */
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { makeProgram, runProgram, withDescendants } from "@acktor/cli/program";
import { english } from "@acktor/cli/texts/english";
import { japanese } from "@acktor/cli/texts/japanese";
import { freePort } from "@acktor/embedded/ports";
import type { Command } from "commander";
import { cleanUp } from "../support/cleanup.ts";
import { ID, MESSAGE } from "../support/fake-publisher.ts";

const ATTACKS = [
  "\u001b[2J\u001b[HOWNED",
  "\u001b]0;OWNED\u0007",
  "\u001b]8;;http://evil.example\u001b\\OWNED\u001b]8;;\u001b\\",
  "\u001b]52;c;T1dORUQ=\u0007",
  "\u009b31mOWNED\u009d0;OWNED\u009c",
  "\u001b[32mOWNED\u001b[39m",
  "x\rOWNED",
  "x\nOWNED line of its own\r\nOWNED",
  "\u0008\u0008OWNED\u007f\u0000\t\u000b\u000c\u0085OWNED",
  "\u202eDENWO\u2066x\u2069\u200eOWNED\u061c",
  "\u2028OWNED\u2029OWNED",
  "a\u200bd\u2060m\ufeffi\u00adn\u200d\u{e0041}\u3164",
  "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4\ufdd5\ufdd6\ufdd7\ufdd8\ufdd90OWNED\uffff",
  "\ud800OWNED\udc00",
  "__proto__",
];
const HOSTILE = ATTACKS.join("|");

const FORBIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufdd0-\ufdef\uffff]|\u200d|\p{Cs}|[\u{e0000}-\u{e0fff}]/u;
/** What the command itself writes on a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
const OWN = /\u001b\[(?:31|32|33|39|2|22)m(?!OWNED)|\u001b\[2J\u001b\[H(?!OWNED)|\r\u001b\[2K/g;

/**
 * `all`: every text. `words`: every text except those that decide the next request. `types`: also every number, and lists
 * become texts.
 */
type Mood = "all" | "words" | "types" | "refuses" | "babbles" | "null" | "empty";
const MOODS: readonly Mood[] = ["all", "words", "types", "refuses", "babbles", "null", "empty"];
const KEPT = new Set(["service", "kind", "next_before", "ts", "machine"]);

function spoil(value: unknown, mood: Mood, name = ""): unknown {
  if (mood === "null") return null;
  if (mood === "empty") return {};
  if (typeof value === "string") return mood === "words" && KEPT.has(name) ? value : HOSTILE;
  if (Array.isArray(value)) return mood === "types" && value.length === 0 ? HOSTILE : value.map((v) => spoil(v, mood));
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([key, inner]) => [key, spoil(inner, mood, key)] as const);
    return Object.fromEntries(mood === "all" ? [...members, [HOSTILE, HOSTILE]] : members);
  }
  return mood === "types" ? HOSTILE : value;
}

const CONNECTION = {
  state: "CONNECTED",
  breaker: "CLOSED",
  broker: "mqtt://127.0.0.1:1",
  client_id: "c",
  uptime_seconds: 1,
  connected_at: "2026-11-26T10:00:00Z",
  disconnected_at: "2026-11-26T10:00:00Z",
  last_activity_at: "2026-11-26T10:00:00Z",
  last_error: { type: "network", reason: "r", at: "2026-11-26T10:00:00Z" },
  retry_count: 1,
  buffer_size: 1,
};
const STAMP = { v: 1, ts: 1, service: "publisher", instance: "p", boot: "b" };
const ACTOR = {
  actor: "link",
  machine: "link",
  value: { connection: "UP", breaker: "CLOSED" },
  context: {},
  delays: [],
};
const EVENT = { ...STAMP, ...ACTOR, seq: 1, kind: "transition", event: "go", edges: ["e"], can: ["reset"] };
const SNAPSHOT = { ...STAMP, seq: 1, startedAt: 1, version: "1", summary: {}, actors: [ACTOR], recent: [EVENT] };
const CHANGE = { dry_run: true, matched: 1, replayed: 1, discarded: 1, refused: 1 };
const REFUSAL = { why: "w", count: 1, message_id: ID };
const PRINCIPAL = {
  name: "team-a",
  scopes: ["send"],
  topics: { write: ["a/#"], read: ["a/#"] },
  requests_per_second: 1,
  most_waiting: 1,
  expires_at: "2026-11-26T10:00:00Z",
  created_at: "2026-11-26T10:00:00Z",
  created_by: "ops",
  revoked_at: "2026-11-26T10:00:00Z",
};
const REPLY = { service: "acker", instance: "a", ok: false, reason: "r", result: { state: "s" } };

const ANSWERS: Readonly<Record<string, object>> = {
  "GET /v1/status": {
    service: "publisher",
    instance: "p",
    version: "1",
    state: "RUNNING",
    connection: CONNECTION,
    statistics: {
      connection_attempts: 1,
      successful_connections: 1,
      disconnections: 1,
      messages_sent: 1,
      messages_received: 1,
      errors_by_type: { timeout: 1 },
    },
  },
  "GET /v1/stats": {
    by_state: { failed: { count: 1, avg_retries: 1 } },
    total_messages: 1,
    success_rate: 1,
    pending_count: 1,
  },
  "GET /v1/messages": { messages: [MESSAGE], next_before: "x" },
  [`GET /v1/messages/${ID}`]: MESSAGE,
  "GET /v1/dead-letters": {
    groups: [{ reason: "r", state: "failed", count: 1, oldest: "o", newest: "n" }],
    complete: false,
  },
  "POST /v1/messages/batch": { message_ids: [ID] },
  "POST /v1/messages/states": { states: ["acknowledged"] },
  "POST /v1/dead-letters/replay": { ...CHANGE, refusals: [REFUSAL] },
  "POST /v1/dead-letters/discard": { ...CHANGE, refusals: [REFUSAL] },
  "GET /v1/principals": { principals: [PRINCIPAL] },
  "POST /v1/principals": { ...PRINCIPAL, token: "t" },
  "DELETE /v1/principals/team-a": PRINCIPAL,
  "*": { state: "CONNECTED", breaker: "CLOSED", replies: [REPLY, { ...REPLY, ok: true }] },
};
const STREAM: readonly (readonly [string, object])[] = [
  ["snapshot", { instances: [SNAPSHOT], definitions: [], actors: [], bus: {} }],
  ["inspect", EVENT],
  ["inspect", { ...STAMP, seq: 2, kind: "deliveries", counts: { sent: 1 }, steps: [] }],
  ["gone", { ...STAMP, why: "stopped" }],
  ["bus", { kind: "nats", connected: false, partial: false }],
  ["instance", SNAPSHOT],
];

/** Answers every route in the current mood. A stream of events ends after its last event. */
async function startHostileServer(t: TestContext): Promise<{ readonly url: string; mood: Mood }> {
  const state = { url: "", mood: "all" as Mood };
  const server = http.createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const { mood } = state;
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    request.resume();
    if (mood === "refuses") return json(409, { error: { code: HOSTILE, message: HOSTILE, fix: HOSTILE } });
    if (mood === "babbles") return void response.writeHead(200).end(HOSTILE);
    if (path === "/v1/events") {
      const lines = STREAM.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(spoil(data, mood))}\n\n`);
      return void response.writeHead(200, { "content-type": "text/event-stream" }).end(lines.join(""));
    }
    json(200, spoil(ANSWERS[`${request.method} ${path}`] ?? ANSWERS["*"], mood));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => server.close());
  cleanUp(t, () => server.closeAllConnections());
  state.url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  return state;
}

/** Sends the same bytes to every client that connects. */
async function startBabbler(t: TestContext, greeting: Buffer | string, reply: Buffer | string): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on("error", () => "a client that hangs up has read enough");
    socket.write(greeting);
    socket.on("data", () => socket.write(reply));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** PostgreSQL's ErrorResponse. */
function errorResponse(): Buffer {
  const fields = Buffer.from(`SFATAL\0C28P01\0M${HOSTILE.replaceAll("\0", "").toWellFormed()}\0\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

interface Said {
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process. A command that does not end is interrupted. */
async function say(args: readonly string[], env: Record<string, string>, isTTY: boolean): Promise<Said> {
  const said = { out: "", err: "" };
  const interrupt = new AbortController();
  // `status --watch` has shown one picture and would repeat it.
  const isStatus = args.includes("--watch");
  const timer = setTimeout(() => interrupt.abort(), LONGEST_MS);
  const streams = {
    stdin: {},
    stdout: {
      isTTY,
      columns: 100,
      write(text: string) {
        said.out += text;
        if (isStatus) interrupt.abort();
      },
    },
    stderr: {
      isTTY,
      write(text: string) {
        said.err += text;
        // The stream of events has ended: all of it has been shown.
        if (isStatus || [english, japanese].some(({ watch }) => text.includes(watch.lost))) interrupt.abort();
      },
    },
  };
  try {
    await runProgram(args, {
      streams,
      env,
      signal: interrupt.signal,
      clock: { now: () => performance.now() },
      process: { handOver: () => undefined },
    });
    return said;
  } finally {
    clearTimeout(timer);
  }
}

/** Only a bound: commands end automatically, and watching commands are interrupted after their first output. */
const LONGEST_MS = 30_000;
/** Concurrent runs. */
const AT_ONCE = 6;

/** Arguments of every command; `status --watch` and the like are forms of their own. */
const WALKS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  status: [[], ["--watch"]],
  watch: [[], ["--all"]],
  send: [["a/b", "x", "--wait", "acked", "--timeout", "200ms"]],
  "messages list": [[]],
  "messages show": [[ID]],
  "dead-letters list": [[]],
  "dead-letters show": [[]],
  "dead-letters replay": [["--dry-run"], ["--yes"], []],
  "dead-letters discard": [["--dry-run"], ["--yes"]],
  pause: [[], ["--instance", "all"]],
  resume: [[]],
  drain: [[]],
  "link connect": [[]],
  "link disconnect": [[]],
  "link reset": [[]],
  "breaker open": [[]],
  "breaker close": [[]],
  doctor: [["--listen", "1ms"]],
  migrate: [[], ["--dry-run"]],
  "token create": [["team-a", "--scope", "send"]],
  "token list": [[]],
  "token revoke": [["team-a"]],
  "config print": [[]],
  "config check": [[]],
};
/** They contact no server. Recordings: recording-lines.test.ts. */
const SERVERLESS = ["replay-recording", "completion", "start", "demo", "chaos run", "chaos list"];

function pathOf(command: Command): string {
  return command.parent === null ? "" : `${pathOf(command.parent)} ${command.name()}`.trim();
}

test("every command that shows a server's texts is covered", () => {
  const walked = new Set([...Object.keys(WALKS), ...SERVERLESS]);
  assert.deepEqual(
    leaves().filter((name) => !walked.has(name)),
    [],
  );
});

function leaves(): string[] {
  const commands = withDescendants(makeProgram(english, async () => undefined));
  return commands.filter((command) => command.commands.length === 0).map(pathOf);
}

function checkHarmless(what: string, { out, err }: Said, isJson: boolean): void {
  const said = (out + err).replace(OWN, "");
  const found = FORBIDDEN.exec(said);
  assert.equal(
    found,
    null,
    `${what}: ${JSON.stringify(said.slice(Math.max(0, (found?.index ?? 0) - 60)).slice(0, 140))}`,
  );
  assert.doesNotMatch(said, /^\s*OWNED/m, `${what}: a text of the server's begins a line`);
  if (isJson) for (const line of out.split("\n").filter((text) => text !== "")) JSON.parse(line);
}

for (const mood of MOODS) {
  test(`a server whose answers are hostile (${mood}) reaches no terminal, in any command and form`, async (t) => {
    const server = await startHostileServer(t);
    server.mood = mood;
    const database = await startBabbler(t, "", errorResponse());
    const nats = await startBabbler(t, `INFO ${JSON.stringify({ version: HOSTILE })}\r\n`, `-ERR '${HOSTILE}'\r\n`);
    const env = {
      ACKTOR_URL: server.url,
      DATABASE_URL: `postgres://u:p@127.0.0.1:${database}/x`,
      MQTT_URL: `mqtt://127.0.0.1:${await freePort()}`,
      NATS_URL: `nats://127.0.0.1:${nats}`,
      ACKTOR_CONNECT_TIMEOUT: "1s",
      ACKTOR_INSTANCE: HOSTILE,
      TERM: "xterm",
    };
    const jobs: (() => Promise<void>)[] = [];
    for (const [name, forms] of Object.entries(WALKS).filter(([one]) => leaves().includes(one))) {
      for (const form of forms) {
        for (const [more, isTTY] of FORMS) {
          const args = [...name.split(" "), ...form, ...more];
          const here = name === "doctor" && mood === "all" ? { ACKTOR_URL: server.url, TERM: "xterm" } : env;
          jobs.push(async () => {
            const said = await say(args, here, isTTY);
            assert.notEqual(said.out + said.err, "", args.join(" "));
            checkHarmless(`${mood}: ${args.join(" ")}`, said, more.includes("--json"));
          });
        }
      }
    }
    const work = async (): Promise<void> => {
      for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) await job();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  });
}

const FORMS: readonly (readonly [readonly string[], boolean])[] = [
  [[], false],
  [[], true],
  [["--lang", "ja"], true],
  [["--json"], false],
  [["--json"], true],
];

test("arguments are shown escaped, too: they may come from a script's input", async () => {
  for (const args of [
    [HOSTILE],
    ["--lang", HOSTILE],
    ["status", `--${HOSTILE}`],
    ["send", "a", "x", "--qos", HOSTILE],
  ]) {
    for (const more of [[], ["--json"]]) {
      checkHarmless(JSON.stringify(args), await say([...args, ...more], {}, true), more.length > 0);
    }
  }
  for (const url of [HOSTILE, `http://${HOSTILE}`, "http://127.0.0.1:1"]) {
    checkHarmless(url, await say(["status", "--url", url, "--token-file", HOSTILE], {}, true), false);
  }
});
