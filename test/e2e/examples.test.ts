/** The examples of the documentation, run as they stand, and the README's snippet, which is one of them to the letter. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { startPublisher } from "@acktor/publisher/app";
import { createClient } from "@acktor/shared/client";
import { createPolicy, policyRules } from "@acktor/shared/runtime/error-policy";
import * as commands from "../../docs/tutorial/examples/commands.ts";
import * as orders from "../../docs/tutorial/examples/orders.ts";
import * as policies from "../../docs/tutorial/examples/policies.ts";
import * as robustClient from "../../docs/tutorial/examples/robust-client.ts";
import * as sleepingDevice from "../../docs/tutorial/examples/sleeping-device.ts";
import type { World } from "../../docs/tutorial/examples/world.ts";
import { sql, testBroker, testPool } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { QUICK } from "../support/pair.ts";
import { testDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const EXAMPLES = path.join(ROOT, "docs/tutorial/examples");
const SNIPPET_LINES = 40;

interface TestWorld extends World {
  readonly said: string[];
}

async function makeWorld(t: TestContext, env: Record<string, string | undefined> = {}): Promise<TestWorld> {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const servers = { DATABASE_URL: database.url, MQTT_URL: broker.url, HTTP_PORT: "0", LOG_LEVEL: "warn" };
  const publisher = await startPublisher({ ...QUICK, ...servers, ...env });
  if (!publisher.ok) throw new Error(publisher.faults.join("\n"));
  cleanUp(t, () => publisher.stop());
  assert.deepEqual(await publisher.started, { ok: true });
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  return { databaseUrl: database.url, mqttUrl: broker.url, publisherUrl: publisher.url, said, say };
}

test("orders: one is booked once, the one that was given up is never heard of", async (t) => {
  const world = await makeWorld(t);
  await orders.run(world);
  assert.deepEqual(world.said, [
    "order 18 was not placed: the card was refused",
    "order 17: acknowledged",
    "booked: order 17, total 99.5",
  ]);
});

test("commands: each valve's in order, though one came twice", async (t) => {
  const world = await makeWorld(t);
  await commands.run(world);
  const steps = ["open", "50 %", "20 %", "closed"];
  for (const valve of ["valve-1", "valve-2"]) {
    assert.ok(world.said.includes(steps.map((step) => `${valve} ${step}`).join(" → ")), world.said.join("\n"));
  }
});

test("a device that sleeps gets its message when it wakes", async (t) => {
  const world = await makeWorld(t);
  await sleepingDevice.run(world);
  assert.deepEqual(world.said, [
    "the device sleeps; the message waits: timeout",
    "the device applies: night",
    "CONNECTED: 1 received, 2 sent; the device sleeps again",
    "after it woke: acknowledged",
  ]);
});

test("the robust client alone", async (t) => {
  const world = await makeWorld(t);
  await robustClient.run(world);
  assert.deepEqual(world.said, [
    "connected as thermometer",
    "published: acked",
    "cellar/temperature: 21.5",
    "CONNECTED, breaker CLOSED, 0 retries, 1 connections",
    "disconnected",
  ]);
});

test("policies: as a function, and the same as configuration", async (t) => {
  const world = await makeWorld(t, { ACKTOR_POLICY: policies.ACKTOR_POLICY });
  await policies.run(world);
  assert.deepEqual(world.said, ["a refused PUBLISH: pause", "a ship is silent: retry", "a lamp is silent: default"]);
  const configured = createPolicy(policyRules().parse(policies.ACKTOR_POLICY), () => 0.5);
  const error = { reasonCode: null, reason: "x", topic: "ships/1" } as const;
  for (const [seen, attempt, ageMs] of [
    [{ ...error, type: "authentication", on: "publish_refused" }, 1, 0],
    [{ ...error, type: "timeout", on: "ack_timeout" }, 3, 60_000],
    [{ ...error, type: "timeout", on: "ack_timeout" }, 3, 90_000_000],
    [{ ...error, type: "application", on: "rejected" }, 4, 0],
    [{ ...error, type: "application", on: "rejected" }, 5, 0],
    [{ ...error, type: "network", on: "publish_lost" }, 1, 0],
  ] as const) {
    assert.equal(
      configured(seen, attempt, ageMs).kind,
      policies.policy(seen, attempt, ageMs).kind,
      JSON.stringify(seen),
    );
  }
});

test("an acker in Python", async (t) => {
  const python = ["/usr/bin/python3", "/usr/local/bin/python3"].find((file) => existsSync(file));
  if (python === undefined) {
    t.diagnostic("no python3 here: the example in Python was not run");
    return;
  }
  const world = await makeWorld(t);
  const folder = mkdtempSync(path.join(os.tmpdir(), "acktor-python-"));
  cleanUp(t, () => rmSync(folder, { recursive: true, force: true }));
  const { hostname, port } = new URL(world.mqttUrl);
  const args = [path.join(EXAMPLES, "acker.py"), hostname, port, "sensors/#", path.join(folder, "inbox.db")];
  const child = spawn(python, args, { stdio: ["ignore", "pipe", "inherit"] });
  cleanUp(t, () => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  await until(() => output.includes("subscribed"), 10_000, "the acker to subscribe");
  const client = createClient({ url: world.publisherUrl });
  for (let i = 0; i < 5; i++) {
    const sent = await client.send({ topic: "sensors/1", content: `grüße ${i}` });
    assert.ok(sent.ok);
    assert.deepEqual(await sent.handle.acknowledged({ timeoutMs: 10_000 }), {
      kind: "acknowledged",
      by: "python-acker",
    });
  }
});

for (const page of ["README.md", "README.ja.md"]) {
  test(`${page}'s snippet is docs/tutorial/examples/readme.ts, which is type-checked, and short`, () => {
    const snippet = /```ts\n([\s\S]*?)```/.exec(readFileSync(path.join(ROOT, page), "utf8"))?.[1];
    assert.equal(snippet, readFileSync(path.join(EXAMPLES, "readme.ts"), "utf8"));
    assert.ok((snippet ?? "").split("\n").length < SNIPPET_LINES);
  });
}

test("the README's snippet runs", async (t) => {
  const world = await makeWorld(t);
  const pool = testPool(t, world.databaseUrl);
  await sql(pool, "create table sensors (name text)");
  await sql(pool, "create table readings (id text primary key, celsius float8)");
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=source", path.join(EXAMPLES, "readme.ts")], {
    cwd: ROOT,
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: world.databaseUrl,
      MQTT_URL: world.mqttUrl,
      PUBLISHER_URL: world.publisherUrl,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanUp(t, () => child.kill("SIGKILL"));
  let output = "";
  for await (const chunk of child.stdout) output += String(chunk);
  assert.match(output, /^acknowledged$/m);
  assert.deepEqual(await sql(pool, "select celsius from readings"), [{ celsius: 21.5 }]);
});
