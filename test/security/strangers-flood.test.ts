/**
 * Everything that strangers can send over MQTT and HTTP, against a real pair of processes, while honest messages are delivered:
 * no process exits, honest deliveries stay quick, memory stays flat. The test prints the rate that the machine reached.
 *
 * Runs alone: it measures how long deliveries take during a flood.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type TestContext, test } from "node:test";
import { generate } from "mqtt-packet";
import { cleanUp } from "../support/cleanup.ts";
import { hostileObjects, type Shape } from "../support/hostile-shapes.ts";
import { openSocket } from "../support/junk-flood.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { QUICK } from "../support/pair.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Service, startService } from "../support/processes.ts";
import { until } from "../support/until.ts";

const TOKEN = "the token of the operators";
const HOSTILE = 100_000;
/** One of this many is an HTTP request; the others are PUBLISHes. */
const HTTP_SHARE = 25;
const MOST_MS = 170_000;
const HONEST_MS = 300;
const MOST_GROWTH_BYTES = 64 * 1024 * 1024;
const MOST_WAITING_BYTES = 262_144;

const text = (value: unknown): Shape => {
  const json = JSON.stringify(value);
  return () => json;
};
const DEEP_FILTERS = Array.from({ length: 100 }, (_, i) => {
  return `${Array.from({ length: 30 }, (_, at) => ((i >> (at % 7)) & 1 ? "+" : "data")).join("/")}/x`;
});

const BIRTHS: readonly Shape[] = [
  ...hostileObjects({
    instance: (n) => `"i${n}"`,
    status: text("online"),
    filters: text(["data/#"]),
    since: text(4_000_000_000),
  }),
  ...[
    ["#"],
    ["+/#", "+/+/+/#"],
    DEEP_FILTERS,
    Array.from({ length: 100 }, () => `${"+/".repeat(35)}#`),
    Array.from({ length: 100 }, (_, i) => `data/${i}/(a+)+$`),
    Array.from({ length: 1_000 }, (_, i) => `t/${i}`),
    ["a/".repeat(200)],
    ["data/#/x"],
    [],
  ].map((filters): Shape => {
    const json = JSON.stringify(filters);
    return (n) => `{"instance":"i${n}","status":"online","filters":${json},"since":4000000000}`;
  }),
  (n) => `{"instance":"i${n}","status":"lost","filters":[],"since":4000000000}`,
  () => `{"filters":["${"x".repeat(100_000)}"]}`,
];
const ACKS = hostileObjects({
  message_id: (n) => `"${n}"`,
  client_id: (n) => `"c${n}"`,
  status: text("rejected"),
  reason: text("no"),
  retryable: text(true),
  retry_after: text(1),
  working_for: text(1),
  attempt_token: text("1"),
  checksum: text(`sha256:${"0".repeat(64)}`),
  signature: text("hmac-sha256:00"),
});
const ENVELOPES: readonly Shape[] = [
  ...hostileObjects({
    message_id: () => `"${randomUUID()}"`,
    content: (n) => `"content ${n}"`,
    timestamp: text(1),
    requires_ack: text(true),
    ack_topic: text("delivery/ack/1"),
    retry_count: text(0),
    checksum: text(`sha256:${"0".repeat(64)}`),
    content_encoding: text("utf8"),
    expires_in: text(1),
    traceparent: text("00"),
  }),
];
const MESSAGES = hostileObjects({
  topic: text("data/hostile"),
  content: text(1),
  qos: text(1),
  retain: text(false),
  ttl_seconds: text(1),
  max_retries: text(1),
  ordering_key: text("k"),
  deliver_at: text("2026-01-31T12:00:00Z"),
});
const ROUTES = ["/v1/messages", "/v1/messages/batch", "/v1/messages/states", "/v1/messages/cancel", "/v1/nowhere"];

test("100,000 hostile births, acks, envelopes and bodies: no exit, honest deliveries in time, memory flat", async (t) => {
  const [database, broker] = await Promise.all([
    testDatabase(t),
    startMosquitto(t, { lines: ["allow_anonymous true", "max_queued_messages 100000"] }),
  ]);
  if (broker === null) return;
  // As in docker-compose.yml: garbage of a busier minute does not count as growth.
  const heap = { NODE_OPTIONS: "--max-old-space-size=256" };
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, ...QUICK, ...heap, ACKTOR_API_TOKEN: TOKEN };
  const publisher = await startService(t, "publisher", common);
  const acker = await startService(t, "acker", { ...common, ACKTOR_TOPICS: "data/#" });
  await Promise.all([publisher.ready(), acker.ready()]);
  const before = await warmUp(publisher, acker);
  const flood = await startFlood(t, broker.url, publisher);
  const stalls = monitorEventLoopDelay({ resolution: 5 });
  stalls.enable();
  const times: number[] = [];
  let growth = 0;
  const startedAt = performance.now();
  while (!flood.isOver()) {
    assert.ok(performance.now() - startedAt < MOST_MS, `${flood.sent()} of ${HOSTILE} were sent in time`);
    times.push(await delivery(publisher));
    growth = Math.max(growth, residentBytes(publisher) - before.publisher, residentBytes(acker) - before.acker);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const stall = Math.max(0, stalls.max / 1e6 - 20);
  stalls.disable();
  times.push(await delivery(publisher));
  times.sort((one, other) => one - other);
  const median = times[times.length >> 1] ?? 0;
  const usual = times[Math.floor(times.length * 0.9)] ?? 0;
  t.diagnostic(
    `${flood.sent()} in ${seconds.toFixed(1)} s; ${times.length} honest deliveries, median ${Math.round(median)}, nine of ten within ${Math.round(usual)} ms (before the flood ${Math.round(before.slowest)} ms; this process was kept waiting for ${Math.round(stall)} ms); memory grew by ${Math.round(growth / 1_048_576)} MiB at most`,
  );
  assert.deepEqual(
    [...flood.statuses.keys()].filter((status) => status >= 500 || status < 400),
    [],
    "all refused",
  );
  for (const service of [publisher, acker]) {
    assert.doesNotMatch(service.output(), /uncaught|unhandled|a listener failed|request failed|(Type|Range)Error/i);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    assert.match(metrics, /^acktor_listener_failures_total 0$/m);
  }
  // A busy machine delays this process, too, which does little in each turn. A delivery also passes three processes and a
  // database.
  const most = HONEST_MS + 3 * stall;
  assert.ok(usual <= most, `of ten honest deliveries one took ${usual} ms, more than ${most}`);
  assert.ok(median <= HONEST_MS, `half of the honest deliveries took ${median} ms`);
  assert.ok(growth <= MOST_GROWTH_BYTES, `memory grew by ${growth} bytes`);
});

interface Flood {
  isOver(): boolean;
  sent(): number;
  readonly statuses: ReadonlyMap<number, number>;
}

/** As fast as broker and publisher accept it. */
async function startFlood(t: TestContext, brokerUrl: string, publisher: Service): Promise<Flood> {
  const { hostname, port } = new URL(brokerUrl);
  const sockets = await Promise.all(
    ["a", "b", "c", "d"].map((name) => openSocket(t, hostname, Number(port), `stranger-${name}`)),
  );
  const packets = Array.from({ length: 3_000 }, (_, n) => packet(n));
  const statuses = new Map<number, number>();
  let sent = 0;
  let asking = 0;
  const timer = setInterval(() => {
    for (let budget = 100; budget > 0 && sent < HOSTILE; budget--) {
      const socket = sockets[sent % sockets.length];
      if (sent % HTTP_SHARE === 0) {
        if (asking >= 4) return;
        asking++;
        void ask(publisher, sent, statuses).finally(() => asking--);
      } else if (socket === undefined || socket.writableLength > MOST_WAITING_BYTES) return;
      else socket.write(packets[sent % packets.length] ?? Buffer.alloc(0));
      sent++;
    }
  }, 10);
  cleanUp(t, () => clearInterval(timer));
  return { isOver: () => sent >= HOSTILE && asking === 0, sent: () => sent, statuses };
}

function packet(n: number): Buffer {
  const [kind, topic] = [
    [BIRTHS, `delivery/acker/i${n}`],
    [ACKS, `delivery/ack/${n % 3 === 0 ? n : randomUUID()}`],
    [ENVELOPES, `data/hostile/${n}`],
  ][n % 3] as [readonly Shape[], string];
  const payload = kind[Math.floor(n / 3) % kind.length]?.(n) ?? "";
  // Sometimes not UTF-8.
  const bytes = n % 50 === 7 ? Buffer.concat([Buffer.from(payload), Buffer.from([0xff, 0xc3])]) : Buffer.from(payload);
  return generate({ cmd: "publish", topic, payload: bytes, qos: 0, dup: false, retain: false });
}

async function ask(publisher: Service, n: number, statuses: Map<number, number>): Promise<void> {
  const turn = Math.floor(n / HTTP_SHARE);
  const body = turn % 500 === 3 ? "[".repeat(9_000_000) : (MESSAGES[turn % MESSAGES.length]?.(n) ?? "");
  const authorization = turn % 2 === 0 ? "Bearer wrong" : `Bearer ${TOKEN}`;
  const response = await fetch(`${publisher.url}${ROUTES[turn % ROUTES.length]}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization },
    body,
  });
  await response.arrayBuffer();
  statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
}

/** Lets both processes grow to the size that honest work needs. */
async function warmUp(publisher: Service, acker: Service) {
  await delivery(publisher);
  let slowest = 0;
  for (let n = 0; n < 100; n++) slowest = Math.max(slowest, await delivery(publisher));
  return { publisher: residentBytes(publisher), acker: residentBytes(acker), slowest };
}

/** Milliseconds from a message's request to its acknowledgment in the outbox. */
async function delivery(publisher: Service): Promise<number> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
  const startedAt = performance.now();
  const body = JSON.stringify({ topic: "data/1", content: "honest" });
  const response = await fetch(`${publisher.url}/v1/messages`, { method: "POST", headers, body });
  const { message_id: id } = (await response.json()) as { message_id: string };
  await until(
    async () => {
      const row = await fetch(`${publisher.url}/v1/messages/${id}`, { headers });
      return ((await row.json()) as { state: string }).state === "acknowledged";
    },
    30_000,
    "the honest ack to count",
  );
  return performance.now() - startedAt;
}

/** From /proc. Without /proc: 0, so that memory counts as flat. */
function residentBytes({ pid }: Service): number {
  if (process.platform !== "linux") return 0;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) * 1024;
}
