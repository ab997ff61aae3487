/**
 * Every secret is a canary, everything is made to fail, and no output may contain a canary: logs, metrics, status, machines,
 * audit, events of the bus, error bodies, faults of the configuration.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { startAcker } from "@acktor/acker/app";
import { startPublisher } from "@acktor/publisher/app";
import { createPool } from "@acktor/shared/db/pool";
import { connect } from "nats";
import { ackKeyPair } from "../support/ack-keys.ts";
import { sql, testAcker, testPool } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const canary = (name: string): string => `canary-${name}-${randomBytes(6).toString("hex")}`;

interface Secrets {
  readonly env: Readonly<Record<string, string>>;
  /** Texts that may not appear anywhere. */
  readonly canaries: readonly string[];
  readonly natsUrl: string;
  readonly natsToken: string;
}

/** Servers that require passwords, and services that have them, in every form of configuring a secret. */
async function setSecrets(t: TestContext): Promise<Secrets | null> {
  const [password, mqttPassword, natsToken, apiToken, ackSecret, oldSecret] = [
    canary("postgres"),
    canary("mqtt"),
    canary("nats"),
    canary("api"),
    canary("ack"),
    canary("old"),
  ];
  const database = await testDatabase(t);
  const role = `r_${randomBytes(4).toString("hex")}`;
  const admin = testPool(t, database.url);
  await sql(admin, `create role ${role} login superuser password '${password}'`);
  cleanUp(t, async () => {
    await sql(admin, `reassign owned by ${role} to current_user`);
    await sql(admin, `drop owned by ${role}`);
    await sql(admin, `drop role ${role}`);
  });
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  const nats = await startNatsServer(t, { args: ["--auth", natsToken], credentials: natsToken });
  if (broker === null || nats === null) return null;
  const url = new URL(database.url);
  url.username = role;
  url.password = password;
  const { privatePem, publicPem } = ackKeyPair();
  const env = {
    DATABASE_URL: url.href,
    MQTT_URL: broker.url.replace("://", `://publisher:${mqttPassword}@`),
    NATS_URL: nats.url,
    ACKTOR_API_TOKEN: apiToken,
    ACKTOR_ACK_SECRET: ackSecret,
    ACKTOR_ACK_SECRET_OLD: oldSecret,
    ACKTOR_ACK_PUBLIC_KEYS: publicPem,
    ACKTOR_ACK_PRIVATE_KEY: privatePem,
    LOG_LEVEL: "trace",
  };
  const keyBody = privatePem.split("\n")[1] ?? "";
  const canaries = [password, mqttPassword, natsToken, apiToken, ackSecret, oldSecret, keyBody];
  return { env, canaries, natsUrl: `127.0.0.1:${nats.port}`, natsToken };
}

test("no secret is in logs, metrics, status, machines, audit, events of the bus or error bodies", async (t) => {
  const secrets = await setSecrets(t);
  if (secrets === null) return;
  const { env, canaries } = secrets;
  const token = env["ACKTOR_API_TOKEN"] ?? "";
  const publisher = await testPublisher(t, env);
  const acker = await testAcker(t, env);
  const events = await listenToBus(t, secrets);
  const stream = await listenToStream(t, publisher.url, token);
  const id = await publisher.send({ topic: "data/1", content: "x" });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");

  const said: string[] = [];
  const looks: [string, string, unknown?, Record<string, string>?][] = [
    ["GET", "/metrics"],
    ["GET", "/v1/status"],
    ["GET", "/v1/stats"],
    ["GET", "/v1/machines?recent=true"],
    ["GET", "/v1/audit"],
    ["GET", "/version"],
    ["GET", "/readyz?verbose"],
    ["GET", `/v1/messages/${id}`],
    ["GET", "/v1/status", undefined, { authorization: "Bearer wrong" }],
    ["POST", "/v1/link/disconnect", {}, { authorization: `Bearer ${token}x` }],
    ["POST", "/v1/link/disconnect", {}],
    ["POST", "/v1/link/connect", {}],
    ["POST", "/v1/link/connect?service=acker&instance=acker-1", {}],
    ["POST", "/v1/messages", "{"],
    ["POST", "/v1/messages", { topic: "#", content: "x" }],
    ["GET", "/v1/nowhere"],
  ];
  for (const [method, route, body, headers] of looks)
    said.push((await publisher.ask(method, route, body, headers)).text);
  for (const route of ["/metrics", "/v1/status", "/v1/machines?recent=true", "/readyz?verbose", "/v1/nowhere"]) {
    const response = await fetch(`${acker.running.url}${route}`, { headers: { authorization: `Bearer ${token}` } });
    said.push(await response.text());
  }
  await until(() => events.length > 3 && stream.text().includes("event: inspect"), 10_000, "events of the bus");
  const everywhere = [
    ...publisher.log,
    ...acker.log.map((line) => JSON.stringify(line)),
    ...said,
    ...events,
    stream.text(),
  ];
  assert.ok(publisher.log.length > 5 && everywhere.length > 30);
  assertNowhere(everywhere, canaries);
});

test("refused logins report what was refused, not the secret", async (t) => {
  const secrets = await setSecrets(t);
  if (secrets === null) return;
  const [wrong, wrongNats] = [canary("wrong"), canary("wrong-nats")];
  const closed = await startMosquitto(t, { lines: ["allow_anonymous false"] });
  if (closed === null) return;
  const env = {
    ...secrets.env,
    MQTT_URL: closed.url.replace("://", `://a-user:${wrong}@`),
    NATS_URL: `nats://${wrongNats}@${secrets.natsUrl}`,
    HTTP_PORT: "0",
    ACKTOR_TOPICS: "data/#",
  };
  const log: string[] = [];
  const logStream = { write: (line: string) => void log.push(line) };
  const started = await Promise.all([startPublisher(env, { logStream }), startAcker(env, { logStream })]);
  for (const service of started) {
    assert.ok(service.ok);
    cleanUp(t, () => service.stop());
  }
  const heard = (text: string) => log.filter((line) => line.includes(text)).length >= 2;
  await until(() => heard("link failure") && heard("NATS unreachable"), 15_000, "both refusals, from both services");
  assertNowhere(log, [...secrets.canaries, wrong, wrongNats]);

  const wrongUrl = new URL(secrets.env["DATABASE_URL"] ?? "");
  wrongUrl.password = wrong;
  wrongUrl.username = "nobody_of_this_name";
  const pool = createPool({ url: wrongUrl.href, size: 1, applicationName: "acktor-test" });
  cleanUp(t, () => pool.stop());
  const answer = await pool.run("select 1");
  assert.ok(!answer.ok);
  assertNowhere([JSON.stringify(answer.failure)], [wrong]);
});

test("faults of the configuration name the setting, not its value", async () => {
  const wrong = canary("config");
  const env = {
    DATABASE_URL: `postgres:/${wrong}`,
    MQTT_URL: `http://user:${wrong}@127.0.0.1`,
    NATS_URL: `http://${wrong}@127.0.0.1`,
    ACKTOR_API_TOKEN: wrong.slice(0, 15),
    ACKTOR_ACK_SECRET: wrong.slice(0, 15),
    ACKTOR_ACK_PRIVATE_KEY: `-----BEGIN PRIVATE KEY-----\n${wrong}\n-----END PRIVATE KEY-----`,
    ACKTOR_ACK_PUBLIC_KEYS: wrong,
    OTEL_EXPORTER_OTLP_ENDPOINT: `ftp://user:${wrong}@127.0.0.1`,
    ACKTOR_TOPICS: "a/#",
  };
  for (const start of [startPublisher, startAcker]) {
    const result = await start(env);
    assert.ok(!result.ok);
    assert.ok(result.faults.length >= 6, result.faults.join("\n"));
    assertNowhere(result.faults, [wrong.slice(0, 15)]);
  }
});

/** Everything that instances publish about themselves on NATS. A watcher's heartbeat makes them publish all events. */
async function listenToBus(t: TestContext, { natsUrl, natsToken }: Secrets): Promise<readonly string[]> {
  const connection = await connect({ servers: natsUrl, token: natsToken });
  cleanUp(t, () => connection.close());
  const heard: string[] = [];
  for (const subject of ["acktor.v1.inspect.>", "acktor.v1.snapshot.>", "$SRV.>"]) {
    connection.subscribe(subject, {
      callback: (_, message) => void heard.push(`${message.subject} ${message.string()}`),
    });
  }
  await connection.flush();
  return heard;
}

async function listenToStream(t: TestContext, url: string, token: string): Promise<{ text(): string }> {
  const abort = new AbortController();
  cleanUp(t, () => abort.abort());
  const response = await fetch(`${url}/v1/events`, {
    headers: { authorization: `Bearer ${token}` },
    signal: abort.signal,
  });
  let text = "";
  const read = async (): Promise<void> => {
    if (response.body === null) return;
    for await (const chunk of response.body) text += Buffer.from(chunk).toString("utf8");
  };
  void read().catch(() => "ended by the test");
  return { text: () => text };
}

function assertNowhere(texts: readonly string[], canaries: readonly string[]): void {
  for (const text of texts) {
    for (const one of canaries) assert.ok(!text.includes(one), `${one} is in ${text.slice(0, 500)}`);
  }
}
