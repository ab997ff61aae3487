/**
 * What `docker compose up` gives its user and denies to strangers: each server requires credentials, each user has only its own
 * rights, each container keeps its limits.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { anyPort } from "../support/ports.ts";
import { ROOT } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { type Client, clientOf } from "./client.ts";
import { type ComposeStack, composeStack, docker, SERVICES } from "./stack.ts";

const LIMIT_MS = 240_000;
const DASHBOARD = path.join(ROOT, "tools/compose/servers/grafana/dashboards/acktor.json");
const ADDRESS = /(http:\/\/127\.0\.0\.1:\d+)\n.*docker compose exec front cat \/run\/secrets\/api-token/;
const NOT_AUTHORIZED = /RC:135|Not authori[sz]ed/i;

test("docker compose up: one line with the console's address, and nothing for strangers", {
  timeout: LIMIT_MS,
}, async (t) => {
  const prometheusPort = await anyPort();
  const stack = await composeStack(t, { PROMETHEUS_PORT: String(prometheusPort) });
  const log = await stack.attached(ADDRESS);
  const client = await clientOf(stack);
  await t.test("the log ends with the console's address and where its token is", () => endsWithAddress(stack, log));
  await t.test("the first message is acknowledged, with its timeline", () => isWelcomed(client));
  await t.test("the console sees both services", () => seesBoth(client));
  await t.test("without the token only health is available", () => wantsToken(stack));
  await t.test("each container is confined", () => areClosedIn(stack));
  await t.test("our images are small", () => areSmall(t, stack));
  await t.test("mosquitto", (t2) => mosquittoIsClosed(t2, stack));
  await t.test("PostgreSQL", (t2) => postgresIsClosed(t2, stack));
  await t.test("NATS", (t2) => natsIsClosed(t2, stack));
  await t.test("a second init changes nothing", () => initAgain(stack));
  await t.test("the tour's outage: mosquitto stopped and started", () => outage(stack, client));
  await t.test("Prometheus finds both services, takes every rule and answers every query of the dashboard", () =>
    isWatched(stack, prometheusPort),
  );
  await t.test("profile chaos: the line is cut, and nothing is lost", (t2) => breaksItsLine(t2, stack));
  await t.test("MQTT_MTLS=on: a password is not enough", () => wantsCertificate(stack, client));
});

async function endsWithAddress(stack: ComposeStack, log: string): Promise<void> {
  const [, url] = ADDRESS.exec(log) ?? [];
  assert.equal(url, stack.url);
  assert.match(log.trimEnd().split("\n").slice(-2).join("\n"), ADDRESS);
  const token = await stack.secret("front", "api-token");
  assert.ok(token.length >= 32);
  assert.ok(!log.includes(token), "no secret is in a log");
}

async function isWelcomed(client: Client): Promise<void> {
  const { json } = await client.get("/v1/messages");
  const messages = json["messages"] as { readonly message_id: string; readonly state: string }[];
  assert.deepEqual(
    messages.map(({ state }) => state),
    ["acknowledged"],
  );
  const timeline = (await client.get(`/v1/messages/${messages[0]?.message_id}`)).json;
  assert.equal((timeline["acks"] as unknown[]).length, 1);
}

async function seesBoth(client: Client): Promise<void> {
  const services = async (): Promise<string> => {
    const { json } = await client.get("/v1/machines");
    const instances = json["instances"] as { readonly service: string }[];
    return instances
      .map(({ service }) => service)
      .sort()
      .join();
  };
  await until(async () => (await services()) === "acker,publisher", 20_000, "both services on NATS");
}

async function wantsToken(stack: ComposeStack): Promise<void> {
  for (const [route, status] of [
    ["/v1/messages", 401],
    ["/v1/events", 401],
    ["/v1/link/disconnect", 401],
    ["/readyz", 200],
  ] as const) {
    const method = route.endsWith("disconnect") ? "POST" : "GET";
    const response = await fetch(`${stack.url}${route}`, { method, signal: AbortSignal.timeout(5_000) });
    assert.equal(response.status, status, route);
    await response.body?.cancel();
  }
}

interface Inspected {
  readonly Name: string;
  readonly Config: { readonly User: string };
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean;
    readonly Privileged: boolean;
    readonly CapDrop: readonly string[] | null;
    readonly CapAdd: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
    readonly Memory: number;
    readonly PidsLimit: number | null;
    readonly PortBindings: Readonly<Record<string, readonly { readonly HostIp: string }[]>>;
  };
}

/** Of all containers, including exited ones. */
async function areClosedIn(stack: ComposeStack): Promise<void> {
  const ids = (await stack.compose("ps", "--all", "--quiet")).trim().split("\n");
  assert.equal(ids.length, SERVICES.length + 2);
  for (const { Name, Config, HostConfig } of JSON.parse(await docker("inspect", ...ids)) as Inspected[]) {
    assert.match(Config.User, /^[1-9]\d*:[1-9]\d*$/, `${Name} is not root`);
    assert.equal(HostConfig.ReadonlyRootfs, true, Name);
    assert.equal(HostConfig.Privileged, false, Name);
    assert.deepEqual(HostConfig.CapDrop, ["ALL"], Name);
    assert.deepEqual(HostConfig.CapAdd ?? [], [], Name);
    assert.ok(HostConfig.SecurityOpt?.includes("no-new-privileges:true"), Name);
    assert.ok(HostConfig.Memory > 0 && (HostConfig.PidsLimit ?? 0) > 0, Name);
    const published = Object.values(HostConfig.PortBindings).flat();
    assert.ok(
      published.every(({ HostIp }) => HostIp === "127.0.0.1"),
      Name,
    );
    assert.equal(published.length, Name.includes("front") ? 1 : 0, Name);
  }
}

async function areSmall(t: TestContext, { image }: ComposeStack): Promise<void> {
  const sizes = (await docker("image", "inspect", "--format", "{{.Size}}", image, `${image}-init`)).trim().split("\n");
  t.diagnostic(`images of ${sizes.map((bytes) => Math.round(Number(bytes) / 1e6)).join(" and ")} MB`);
  for (const bytes of sizes) assert.ok(Number(bytes) < 300e6, `${bytes} bytes`);
}

/** mosquitto_pub in the broker's container, by TLS; `as` null is a stranger. */
async function publish(stack: ComposeStack, as: "publisher" | "acker" | null, topic: string): Promise<string> {
  const user = as === null ? [] : ["-u", as, "-P", await stack.secret(as, "mqtt-password")];
  const where = ["-h", "127.0.0.1", "-p", "8883", "--cafile", "/run/acktor/ca.crt", "-V", "5"];
  const what = ["-q", "1", "-d", "-t", topic, "-m", "{}"];
  const { output } = await stack.exec("mosquitto", "mosquitto_pub", ...where, ...user, ...what);
  return output;
}

const ACCEPTED = /PUBACK \(Mid: \d+, RC:(0|16)\)/;

async function mosquittoIsClosed(t: TestContext, stack: ComposeStack): Promise<void> {
  const ack = "delivery/ack/01a21991-3d2b-7237-a7be-be8d811d3614";
  await t.test("a client without a password is refused", async () => {
    assert.match(await publish(stack, null, "sensors/1/temp"), NOT_AUTHORIZED);
  });
  await t.test("the publisher's user writes data and no ack", async () => {
    assert.match(await publish(stack, "publisher", "sensors/1/temp"), ACCEPTED);
    assert.match(await publish(stack, "publisher", ack), /RC:135/);
    assert.match(await publish(stack, "publisher", "delivery/acker/me"), /RC:135/);
  });
  await t.test("the acker's user writes acks and no data", async () => {
    assert.match(await publish(stack, "acker", ack), ACCEPTED);
    assert.match(await publish(stack, "acker", "sensors/1/temp"), /RC:135/);
    assert.match(await publish(stack, "acker", "elsewhere"), /RC:135/);
  });
  await t.test("a client that subscribes to everything receives only what it may read", async () => {
    // The options of the health check's user, in the container; without them the broker admits no client.
    const listening = stack.exec("mosquitto", "mosquitto_sub", "-t", "#", "-W", "4", "-F", "%t");
    const reached = until(async () => ACCEPTED.test(await publish(stack, "publisher", "demo/x")), 3_000, "a PUBLISH");
    const [{ output }] = await Promise.all([listening, reached]);
    assert.doesNotMatch(output, /demo|sensors|delivery/);
  });
  await t.test("without TLS there is no answer", async () => {
    const where = ["-h", "127.0.0.1", "-p", "8883", "-t", "sensors/1", "-m", "x"];
    assert.notEqual((await stack.exec("mosquitto", "mosquitto_pub", ...where)).code, 0);
  });
}

async function postgresIsClosed(t: TestContext, stack: ComposeStack): Promise<void> {
  /** Over TCP, as from the network; the Unix socket belongs to the operator. */
  const psql = async (url: URL, sql: string, mode = "require"): Promise<string> => {
    const address = new URL(url);
    address.host = "127.0.0.1:5432";
    address.searchParams.set("sslmode", mode);
    return (await stack.exec("postgres", "psql", "-X", "-A", "-t", "-d", address.href, "-c", sql)).output;
  };
  const publisher = new URL(await stack.secret("publisher", "database-url"));
  const acker = new URL(await stack.secret("acker", "database-url"));
  await t.test("a stranger reads nothing", async () => {
    const stranger = new URL("postgres://postgres:postgres@postgres/acktor");
    assert.match(await psql(stranger, "select 1"), /rejects connection|no pg_hba\.conf entry/);
    const guess = new URL(publisher);
    guess.password = "guess";
    assert.match(await psql(guess, "select 1"), /password authentication failed/);
  });
  await t.test("nothing goes unencrypted", async () => {
    assert.match(await psql(publisher, "select 1", "disable"), /rejects connection/);
  });
  await t.test("each role reads only the rows of its schema", async () => {
    assert.match(await psql(publisher, "select count(*) from publisher.message_delivery"), /^\d+\s*$/);
    assert.match(await psql(acker, "select count(*) from acker.inbox"), /^\d+\s*$/);
    assert.match(await psql(publisher, "select * from acker.inbox"), /permission denied/);
    assert.match(await psql(acker, "select * from publisher.message_delivery"), /permission denied/);
    for (const ddl of [
      "create table publisher.mine ()",
      "create schema mine",
      "create temporary table mine ()",
      "drop table publisher.message_delivery",
      "alter table publisher.message_delivery disable trigger all",
      "update publisher.migration set checksum = ''",
    ]) {
      assert.match(await psql(publisher, ddl), /permission denied|must be owner/, ddl);
    }
  });
}

/** Runs a few lines with the client library in a service's container. */
async function nats(stack: ComposeStack, service: "publisher" | "acker", script: string): Promise<string> {
  const prelude = `
    import { readFileSync } from "node:fs";
    import { connect } from "nats";
    const own = new URL(readFileSync("/run/secrets/nats-url", "utf8"));
    const tls = { caFile: "/run/secrets/ca.crt" };
    const login = { user: own.username, pass: own.password };
    const open = (options) => connect({ servers: "nats:4222", reconnect: false, timeout: 4000, ...options });
    const said = (text) => console.log(text);`;
  const program = `${prelude}\n${script}`;
  return (await stack.exec(service, "node", "--input-type=module", "-e", program)).output;
}

async function natsIsClosed(t: TestContext, stack: ComposeStack): Promise<void> {
  await t.test("a stranger is refused", async () => {
    assert.match(
      await nats(stack, "acker", "await open({ tls }).catch((e) => said(e.code));"),
      /AUTHORIZATION_VIOLATION/,
    );
  });
  await t.test("a client refuses a server of another authority", async () => {
    assert.match(
      await nats(stack, "acker", "await open({ tls: {}, ...login }).catch((e) => said(e));"),
      /certificate/i,
    );
  });
  await t.test("an acker cannot command a publisher, nor enqueue, nor listen to publishers", async () => {
    const script = `
      const connection = await open({ tls, ...login });
      void (async () => { for await (const status of connection.status()) said(status.type + " " + JSON.stringify(status)); })();
      for (const subject of ["cmd.publisher.all.pause", "enqueue", "announce.publisher.me", "audit"]) {
        connection.publish("acktor.v1." + subject, "{}");
        await connection.flush();
      }
      connection.subscribe("acktor.v1.>", { callback: (error) => said(error ? error.message : "heard") });
      await connection.flush();
      await connection.close();`;
    const output = await nats(stack, "acker", script);
    const refused = [...output.matchAll(/"operation":"(\w+)","subject":"acktor\.v1\.([^"]+)"/g)];
    assert.deepEqual(
      refused.map(([, operation, subject]) => `${operation} ${subject}`),
      ["publish cmd.publisher.all.pause", "publish enqueue", "publish announce.publisher.me", "subscription >"],
      output,
    );
  });
}

async function initAgain(stack: ComposeStack): Promise<void> {
  const said = await stack.compose("run", "--rm", "--no-deps", "-T", "init");
  assert.match(said, /0 secrets made, 0 certificates issued, 0 files written/);
}

async function outage(stack: ComposeStack, client: Client): Promise<void> {
  await stack.compose("stop", "mosquitto");
  const answer = await client.post({ topic: "sensors/1/temp", content: "21.5" });
  assert.equal(answer.kind, "accepted", "the outbox takes messages without a broker");
  await stack.compose("start", "mosquitto");
  const id = answer.kind === "accepted" ? answer.id : "";
  await isAcknowledged(client, id);
}

async function isWatched(stack: ComposeStack, port: number): Promise<void> {
  await stack.compose("up", "--detach", "--wait", "--no-recreate", "prometheus");
  const ask = async <T>(what: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${what}`, { signal: AbortSignal.timeout(5_000) });
    return ((await response.json()) as { readonly data: T }).data;
  };
  const up = async (): Promise<string> => {
    const { activeTargets } = await ask<{
      readonly activeTargets: readonly { readonly scrapePool: string; readonly health: string }[];
    }>("targets");
    return activeTargets
      .map(({ scrapePool, health }) => `${scrapePool} ${health}`)
      .sort()
      .join();
  };
  await until(async () => (await up()) === "acker up,publisher up", 30_000, "both services to be scraped");
  const rules = async (): Promise<string[]> => {
    const { groups } = await ask<{
      readonly groups: readonly { readonly rules: readonly { readonly name: string; readonly health: string }[] }[];
    }>("rules");
    return groups.flatMap((group) => group.rules).map(({ name, health }) => `${name} ${health}`);
  };
  await until(async () => (await rules()).every((rule) => rule.endsWith(" ok")), 30_000, "each rule to be worked out");
  assert.ok((await rules()).length > 5);
  const queries = panelQueries(JSON.parse(await readFile(DASHBOARD, "utf8")) as Panels);
  assert.ok(queries.length > 20, `${queries.length} queries`);
  const silent = async (): Promise<string[]> => {
    const found = await Promise.all(
      queries.map((query) => ask<{ readonly result?: unknown[] }>(`query?query=${encodeURIComponent(query)}`)),
    );
    return queries.filter((_, at) => (found[at]?.result ?? []).length === 0);
  };
  // A refused query has no data. Rates need two scrapes.
  const allFound = until(async () => (await silent()).length === 0, 60_000);
  await allFound.catch(() => "the silent ones are named below");
  assert.deepEqual(await silent(), []);
}

interface Panels {
  readonly panels?: readonly (Panels & { readonly targets?: readonly { readonly expr: string }[] })[];
}

function panelQueries({ panels = [] }: Panels): string[] {
  return panels.flatMap((panel) => [...(panel.targets ?? []).map(({ expr }) => expr), ...panelQueries(panel)]);
}

/** From here on the services connect through `chaos`, which forwards TLS, passwords and certificates without reading them. */
async function breaksItsLine(t: TestContext, stack: ComposeStack): Promise<void> {
  stack.set("MQTT_HOST", "chaos");
  await stack.compose("up", "--detach", "--wait", "publisher", "acker", "chaos");
  const { code, output } = await stack.exec("chaos", "fault", "cut");
  t.diagnostic(output.trim().replaceAll("\n", ";"));
  assert.equal(code, 0, output);
  assert.match(output, /lost 0\n/);
}

async function isAcknowledged(client: Client, id: string): Promise<void> {
  const state = async (): Promise<unknown> => (await client.get(`/v1/messages/${id}`)).json["state"];
  await until(async () => (await state()) === "acknowledged", 30_000, "the message to be acknowledged");
}

async function wantsCertificate(stack: ComposeStack, client: Client): Promise<void> {
  await stack.compose("run", "--rm", "--no-deps", "-T", "init", "node", "tools/compose/dist/init.js", ...MUTUAL);
  await stack.compose("restart", "mosquitto");
  await stack.healthy("mosquitto");
  assert.doesNotMatch(await publish(stack, "publisher", "sensors/1/temp"), ACCEPTED);
  const answer = await client.post({ topic: "sensors/1/temp", content: "by certificate" });
  await isAcknowledged(client, answer.kind === "accepted" ? answer.id : "");
}

const MUTUAL = ["--topics", "sensors/#", "--require-certificate", "on"];
