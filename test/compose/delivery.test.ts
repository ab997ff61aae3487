/**
 * docker-compose.yml under faults: every container is killed and paused in turn, the broker is cut off, the services are
 * restarted and scaled, all under load. SQL shows that no message was lost, processed twice or illegally moved.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { AUDIT } from "@acktor/chaos/check/audit";
import { pgArray } from "@acktor/shared/db/pool";
import { assertDelivered } from "../support/checker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { startTraffic, type Traffic } from "../support/traffic.ts";
import { until } from "../support/until.ts";
import { type Client, clientOf, operatorPool } from "./client.ts";
import { type ComposeStack, composeStack, docker, SERVICES, type Service } from "./stack.ts";

const LIMIT_MS = 330_000;
const MESSAGES = 1_000;
const RATE = 50;
const FELT_MS = 20_000;
const RECOVERED_MS = 60_000;

test("what was accepted is delivered once, when containers are killed and cut off", {
  timeout: LIMIT_MS,
}, async (t) => {
  const stack = await composeStack(t);
  await stack.up();
  const client = await clientOf(stack);
  const sql = operatorPool(stack);
  const before = await installAudit(stack);
  const accepted: string[] = await sendBatch(stack, client);
  await allAcknowledged(client, accepted.length + before.size);
  t.diagnostic(`${accepted.length} messages of one batch acknowledged`);

  const body = (n: number): object => ({ topic: `demo/${n % 10}`, content: `message ${n}` });
  const traffic = startTraffic({ rate: RATE, publishers: () => [client], body });
  cleanUp(t, () => traffic.stop());
  for (const service of SERVICES) {
    await trouble(stack, client, traffic, service, "kill", "start");
    await trouble(stack, client, traffic, service, "pause", "unpause");
  }
  for (const service of SERVICES) await stack.healthy(service);
  t.diagnostic(`each container killed and paused; ${traffic.accepted.length} accepted so far`);
  await partition(stack, client, traffic);
  await stack.up("--no-recreate", "--scale", "publisher=3", "--scale", "acker=3");
  await until(
    async () => (await fleet(client)).join() === "acker 3,publisher 3",
    RECOVERED_MS,
    "the console to see six",
  );
  t.diagnostic(await restartInTurn(stack, sql, traffic));
  await traffic.more(100);
  const report = await traffic.stop();
  accepted.push(...report.accepted);
  t.diagnostic(`${report.accepted.length} accepted under trouble, ${report.unknown} unknown and not repeated`);
  assert.equal(report.refused, 0, "nothing was refused for what it is");

  await nothingWaits(client);
  await assertDelivered(sql, { accepted, foreign: before });
});

/** The judge's triggers. @returns ids of messages that were delivered before the triggers existed */
async function installAudit(stack: ComposeStack): Promise<ReadonlySet<string>> {
  const sql = operatorPool(stack);
  // The triggers run as the role that moves a row; the services' roles have no rights in this schema.
  const rights = "grant usage on schema audit to public; grant insert on all tables in schema audit to public;";
  const installed = await sql.run(`${AUDIT} ${rights}`, [], { simple: true });
  assert.ok(installed.ok, JSON.stringify(installed));
  const found = await sql.run<{ message_id: string }>("select message_id from publisher.message_delivery");
  assert.ok(found.ok);
  return new Set(found.rows.map((row) => row.message_id));
}

async function sendBatch(stack: ComposeStack, client: Client): Promise<string[]> {
  const messages = Array.from({ length: MESSAGES }, (_, n) => ({ topic: `sensors/${n % 50}/temp`, content: `${n}` }));
  const token = await stack.secret("front", "api-token");
  const response = await fetch(`${stack.url}/v1/messages/batch`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ messages }),
    signal: AbortSignal.timeout(20_000),
  });
  const { message_ids: ids } = (await response.json()) as { message_ids: string[] };
  assert.equal(response.status, 201);
  assert.equal((await client.get("/v1/stats")).status, 200);
  return ids;
}

interface Stats {
  readonly pending_count: number;
  readonly by_state: Readonly<Record<string, { readonly count: number }>>;
}

async function stats(client: Client): Promise<Stats> {
  return (await client.get("/v1/stats")).json as unknown as Stats;
}

async function allAcknowledged(client: Client, count: number): Promise<void> {
  await until(async () => (await stats(client)).by_state["acknowledged"]?.count === count, 60_000, `${count} acked`);
}

async function nothingWaits(client: Client): Promise<void> {
  await until(async () => (await stats(client)).pending_count === 0, 90_000, "the outbox to be empty");
}

/** Applies the fault to a service's only container, waits for its effect, undoes it, and waits for recovery. */
async function trouble(
  stack: ComposeStack,
  client: Client,
  traffic: Traffic,
  service: Service,
  harm: string,
  cure: string,
): Promise<void> {
  const [id = ""] = await stack.containers(service);
  await docker(harm, id);
  await felt(client, traffic, service);
  await docker(cure, id);
  await recovered(client, traffic);
}

async function felt(client: Client, traffic: Traffic, service: Service): Promise<void> {
  switch (service) {
    case "acker":
    case "nats":
      // No caller is affected.
      return traffic.more(RATE);
    case "mosquitto":
      await until(async () => (await connection(client)) !== "CONNECTED", FELT_MS, "the publisher to miss the broker");
      return traffic.more(RATE);
    case "postgres":
    case "publisher":
    case "front": {
      const probe = { topic: "demo/probe", content: "is the acker there" };
      // Accepted without a key and unknown to the ledger: neither is a fault.
      await until(async () => (await client.post(probe)).kind === "unknown", FELT_MS, `${service} to be missed`);
    }
  }
}

async function recovered(client: Client, traffic: Traffic): Promise<void> {
  await until(async () => (await connection(client)) === "CONNECTED", RECOVERED_MS, "the publisher to be CONNECTED");
  await traffic.more(RATE);
}

/** State of a publisher's link; null while the publisher does not answer. */
async function connection(client: Client): Promise<string | null> {
  try {
    const { json } = await client.get("/v1/status");
    return (json["connection"] as { state?: string } | undefined)?.state ?? null;
  } catch {
    return null;
  }
}

/** Cuts the broker off without stopping it: the sockets stay open, and no data passes. */
async function partition(stack: ComposeStack, client: Client, traffic: Traffic): Promise<void> {
  const network = `${stack.project}_broker`;
  const [id = ""] = await stack.containers("mosquitto");
  await docker("network", "disconnect", network, id);
  await felt(client, traffic, "mosquitto");
  await docker("network", "connect", "--alias", "mosquitto", network, id);
  await recovered(client, traffic);
}

/** SIGTERM to each replica of both services, one after the other, each judged separately. @returns figures */
async function restartInTurn(
  stack: ComposeStack,
  sql: ReturnType<typeof operatorPool>,
  traffic: Traffic,
): Promise<string> {
  const before = traffic.accepted.length;
  let restarts = 0;
  for (const service of ["publisher", "acker"] as const) {
    for (const id of await stack.containers(service)) {
      await docker("restart", "--time", "10", id);
      restarts++;
      await traffic.more(RATE / 2);
    }
    await stack.healthy(service);
  }
  const meanwhile = traffic.accepted.slice(before);
  const wanted = { acknowledged: meanwhile.length, effects: meanwhile.length, doubled: 0 };
  await until(
    async () => isDeepStrictEqual(await becameOf(sql, meanwhile), wanted),
    RECOVERED_MS,
    `${JSON.stringify(wanted)} of what was accepted during the restarts`,
  );
  return `${restarts} replicas restarted in turn: ${meanwhile.length} accepted meanwhile, 0 lost, 0 doubled`;
}

interface Became {
  readonly acknowledged: number;
  readonly effects: number;
  readonly doubled: number;
}

/** By the outbox, and by the judge's own ledger of effects. */
async function becameOf(sql: ReturnType<typeof operatorPool>, ids: readonly string[]): Promise<Became | undefined> {
  const found = await sql.run<Became>(
    `select count(*) filter (where m.state = 'acknowledged') acknowledged, count(e.n) effects,
       count(*) filter (where e.n > 1) doubled
     from unnest($1::uuid[]) i(id)
     left join publisher.message_delivery m on m.message_id = i.id
     left join (select message_id::text id, count(*) n from audit.effect group by 1) e on e.id = i.id::text`,
    [pgArray(ids)],
  );
  assert.ok(found.ok, JSON.stringify(found));
  return found.rows[0];
}

/** How many of each the console sees: `acker 3`. */
async function fleet(client: Client): Promise<string[]> {
  const { json } = await client.get("/v1/machines");
  const instances = (json["instances"] ?? []) as { readonly service: string }[];
  const counts = new Map<string, number>();
  for (const { service } of instances) counts.set(service, (counts.get(service) ?? 0) + 1);
  return [...counts].map(([service, count]) => `${service} ${count}`).sort();
}
