/** `acktor doctor` against servers that are well, broken, closed, or not there: each with its fix. */
import assert from "node:assert/strict";
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { doctorOutput } from "@acktor/cli/outputs";
import { createLink } from "@acktor/shared/link/create-link";
import { AEDES, MOSQUITTO_5, TEST_LIMIT_MS, testWithBrokers } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { readOutput, runCli, startCli } from "../support/cli.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { anyTopic, setStage } from "../support/pair.ts";
import { anyPort } from "../support/ports.ts";
import { startCluster, testDatabase } from "../support/postgres.ts";

const options = { timeout: TEST_LIMIT_MS };
const AWAY = "http://127.0.0.1:1";

type Check = ReturnType<typeof doctorOutput.parse>["checks"][number];

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-cli-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The checks by name; each that is not OK has a fix, and the exit code follows the worst. */
async function doctor(t: TestContext, env: Record<string, string>, ...args: string[]): Promise<Map<string, Check>> {
  const cwd = await temporaryFolder(t);
  const ended = await runCli(t, ["doctor", "--json", ...args], { env: { ACKTOR_URL: AWAY, ...env }, cwd });
  const { verdict, checks } = readOutput(doctorOutput, ended);
  assert.equal(ended.exit, verdict === "FAIL" ? 1 : 0, ended.err);
  for (const check of checks) assert.equal(check.fix === "", check.verdict === "OK", JSON.stringify(check));
  return new Map(checks.map((check) => [check.check, check]));
}

function verdicts(checks: ReadonlyMap<string, Check>): Record<string, string> {
  return Object.fromEntries([...checks.values()].map(({ check, verdict }) => [check, verdict]));
}

test("doctor: a broker that only the service can reach is no fault while it is connected there", options, async (t) => {
  let state = "CONNECTED";
  const server = http.createServer((_request, response) => {
    const connection = { state, breaker: "CLOSED", broker: "mqtts://mosquitto.invalid:8883", last_error: null };
    const status = { service: "publisher", instance: "p-1", version: "0.1.0", state: "RUNNING", connection };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(status));
  });
  cleanUp(t, () => server.close());
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, () => resolve()));
  const { port } = server.address() as net.AddressInfo;
  const broker = async (env: Record<string, string> = {}): Promise<string | undefined> =>
    (await doctor(t, { ACKTOR_URL: `http://127.0.0.1:${port}`, ...env })).get("broker")?.verdict;
  assert.equal(await broker(), "WARN");
  assert.equal(
    await broker({ MQTT_URL: "mqtts://mosquitto.invalid:8883" }),
    "FAIL",
    "what is configured here must work here",
  );
  state = "RECONNECTING";
  assert.equal(await broker(), "FAIL");
});

testWithBrokers("doctor: a healthy pair, and acks of another outbox", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
  const env = { ACKTOR_URL: publisher.url, DATABASE_URL: stage.databaseUrl, MQTT_URL: stage.broker.url };
  await runCli(t, ["send", anyTopic(), "x", "--wait", "acked"], { env: { ACKTOR_URL: publisher.url } });
  const before = await stage.sql("select count(*)::int4 n from publisher.message_delivery");
  const well = await doctor(t, env);
  assert.deepEqual(verdicts(well), {
    service: "OK",
    config: "OK",
    // The tests' servers do not wait for the disk; of one that does see cli-here.test.ts.
    postgres: "WARN",
    clock: "OK",
    "migrations publisher": "OK",
    "migrations acker": "OK",
    outbox: "OK",
    sessions: "OK",
    encoding: "OK",
    deliveries: "OK",
    "refused topics": "OK",
    "silent destinations": "OK",
    "dead letters": "OK",
    broker: "OK",
    "broker limits": "OK",
    subscriptions: "OK",
    counters: "OK",
    "foreign acks": "OK",
    ackers: "OK",
    disk: "OK",
  });
  assert.ok(Number(well.get("broker")?.data["round_trip_ms"]) > 0);
  assert.match(well.get("outbox")?.found ?? "", /[0-9a-f-]{36}/);
  const isFive = broker === MOSQUITTO_5;
  assert.equal(well.get("broker")?.data["protocol"], isFive ? "MQTT 5" : "MQTT 3.1.1");
  if (isFive) assert.match(well.get("broker limits")?.found ?? "", /Receive Maximum \d+/);
  assert.deepEqual(await stage.sql("select count(*)::int4 n from publisher.message_delivery"), before);

  const stranger = createLink({ url: stage.broker.url, name: "stranger" });
  cleanUp(t, () => stranger.stop());
  await stranger.connect({ waitMs: 5_000 });
  const listening = startCli(t, ["doctor", "--json", "--listen", "3s"], { env });
  const topic = "delivery/ack/01890a5d-ac96-774b-bcce-b302099a8057";
  const timer = setInterval(() => {
    stranger.publish({ topic, payload: "{}", qos: 1, retain: false }, () => undefined);
  }, 100);
  const ended = await listening.ended;
  clearInterval(timer);
  const { checks } = readOutput(doctorOutput, ended);
  const foreign = checks.find(({ check }) => check === "foreign acks");
  assert.equal(foreign?.verdict, "WARN");
  assert.equal(foreign?.data["example"], topic.split("/")[2]);
  assert.match(foreign?.fix ?? "", /ACKTOR_ACK_PREFIX/);
  const text = await runCli(t, ["doctor", "--lang", "ja"], { env });
  assert.match(text.out, /^OK {4}broker: /m);
  assert.match(text.out, /対処: .*ACKTOR_ACK_PREFIX/);
});

test(
  "DOCTOR-1, DOCTOR-2: without any setting the doctor names what it could not check, and checks the rest",
  options,
  async (t) => {
    const checks = await doctor(t, {});
    assert.deepEqual(verdicts(checks), { service: "FAIL", config: "WARN", disk: "OK" });
    assert.match(checks.get("service")?.fix ?? "", /acktor start/);
  },
);

test("doctor: faults of the configuration, all of them, without a secret", options, async (t) => {
  const env = {
    DATABASE_URL: "postgres://me:canary@127.0.0.1/x",
    MQTT_URL: "http://canary@127.0.0.1",
    ACKTOR_WINDOW: "0",
    ACKTOR_HIHG_WATER: "7",
  };
  const config = (await doctor(t, env)).get("config");
  assert.equal(config?.verdict, "FAIL");
  for (const part of ["MQTT_URL", "ACKTOR_WINDOW", "ACKTOR_HIGH_WATER"])
    assert.match(config?.found ?? "", new RegExp(part));
  assert.doesNotMatch(JSON.stringify(config), /canary/);
});

test("doctor: PostgreSQL away, closed to us, without the database, not migrated, not durable", options, async (t) => {
  const cluster = await startCluster(t);
  const url = new URL(cluster.url);
  const change = (edit: (url: URL) => void): string => {
    const other = new URL(url);
    edit(other);
    return other.href;
  };
  const at = async (databaseUrl: string): Promise<Map<string, Check>> =>
    doctor(t, { DATABASE_URL: databaseUrl, MQTT_URL: "mqtt://127.0.0.1:1", ACKTOR_CONNECT_TIMEOUT: "100ms" });
  const wrong: [string, RegExp][] = [
    [
      change((u) => {
        u.port = "1";
      }),
      /start PostgreSQL/i,
    ],
    [
      change((u) => {
        u.password = "canary";
      }),
      /user and password/i,
    ],
    [
      change((u) => {
        u.pathname = "/nowhere";
      }),
      /create the database/i,
    ],
  ];
  for (const [databaseUrl, fix] of wrong) {
    const postgres = (await at(databaseUrl)).get("postgres");
    assert.equal(postgres?.verdict, "FAIL");
    assert.match(postgres?.fix ?? "", fix);
    assert.doesNotMatch(JSON.stringify(postgres), /canary/);
  }
  const empty = await at(cluster.url);
  assert.deepEqual(
    ["migrations publisher", "migrations acker", "outbox"].map((name) => empty.get(name)?.verdict),
    ["WARN", "WARN", "WARN"],
  );
  assert.match(empty.get("migrations publisher")?.found ?? "", /0001_outbox\.sql/);
  assert.match(empty.get("migrations publisher")?.fix ?? "", /acktor migrate/);
  // The tests' servers do not wait for the disk.
  assert.equal(empty.get("postgres")?.verdict, "WARN");
  assert.match(empty.get("postgres")?.fix ?? "", /fsync=on/);
  const broker = empty.get("broker");
  assert.equal(broker?.verdict, "FAIL");
  assert.match(broker?.fix ?? "", /start the broker/);
});

test("doctor: a broker that refuses the doctor, and a server that is not a broker", options, async (t) => {
  const database = await testDatabase(t);
  const port = await anyPort();
  const sockets = new Set<net.Socket>();
  const mute = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => mute.listen(port, "127.0.0.1", resolve));
  cleanUp(t, () => {
    mute.close();
    for (const socket of sockets) socket.destroy();
  });
  const at = async (env: Record<string, string>): Promise<Check | undefined> =>
    (await doctor(t, { DATABASE_URL: database.url, ACKTOR_CONNECT_TIMEOUT: "500ms", ...env })).get("broker");
  const silent = await at({ MQTT_URL: `mqtt://127.0.0.1:${port}` });
  assert.equal(silent?.verdict, "FAIL");
  assert.match(silent?.fix ?? "", /does not speak MQTT/);
});

test("doctor: wrong credentials, and an access list that forbids the PUBLISH", options, async (t) => {
  const database = await testDatabase(t);
  const broker = await startMosquitto(t, {
    lines: ["allow_anonymous false", "password_file <passwords>", "acl_file <acl>"],
    files: {
      passwords: [passwordLine("writer", "right-password"), passwordLine("reader", "right-password")].join(""),
      acl: "user writer\ntopic write acktor/doctor/#\ntopic read delivery/ack/+\nuser reader\ntopic read delivery/ack/+\n",
    },
  });
  if (broker === null) return;
  const at = async (user: string, password: string): Promise<Check | undefined> => {
    const login = { MQTT_USERNAME: user, MQTT_PASSWORD: password };
    return (await doctor(t, { DATABASE_URL: database.url, MQTT_URL: broker.url, ...login })).get("broker");
  };
  assert.equal((await at("writer", "right-password"))?.verdict, "OK");
  const login = await at("writer", "canary");
  assert.equal(login?.verdict, "FAIL");
  assert.match(login?.fix ?? "", /MQTT_USERNAME/);
  assert.doesNotMatch(JSON.stringify(login), /canary/);
  const forbidden = await at("reader", "right-password");
  assert.equal(forbidden?.verdict, "FAIL");
  assert.match(forbidden?.found ?? "", /0x87/);
  assert.match(forbidden?.fix ?? "", /acktor\/doctor/);
});

/** As mosquitto_passwd writes it: PBKDF2 with SHA-512. */
function passwordLine(user: string, password: string): string {
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, 101, 64, "sha512");
  return `${user}:$7$101$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}

test("doctor: NATS with its round trip, behind a wrong password, away", options, async (t) => {
  const server = await startNatsServer(t, { args: ["--user", "me", "--pass", "right"], credentials: "me:right" });
  if (server === null) return;
  const database = await testDatabase(t);
  const at = async (url: string): Promise<Check | undefined> => {
    const env = { DATABASE_URL: database.url, MQTT_URL: "mqtt://127.0.0.1:1", ACKTOR_CONNECT_TIMEOUT: "100ms" };
    return (await doctor(t, { ...env, NATS_URL: url })).get("nats");
  };
  const well = await at(server.url);
  assert.equal(well?.verdict, "OK", well?.found);
  assert.ok(Number(well?.data["round_trip_ms"]) > 0);
  const closed = await at(server.url.replace("right", "canary"));
  assert.equal(closed?.verdict, "FAIL");
  assert.match(closed?.fix ?? "", /user, password or token/);
  assert.doesNotMatch(JSON.stringify(closed), /canary/);
  await server.kill();
  const away = await at(server.url);
  assert.equal(away?.verdict, "FAIL");
  assert.match(away?.fix ?? "", /start NATS/);
});
