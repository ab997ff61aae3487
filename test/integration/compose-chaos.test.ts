/** The profile `chaos` of docker-compose.yml without containers: the line that breaks, and the result of a trial. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LINE_SCENARIOS } from "@acktor/chaos/run/run-line-faults";
import { type FaultProxy, startFaultProxy } from "@acktor/compose/fault-proxy";
import { chooseFaultTexts } from "@acktor/compose/fault-texts";
import { describeTrial, type TrialOptions, tryFault } from "@acktor/compose/try-fault";
import { testAcker, testBroker } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const TOKEN = "the token of this test";
const WITHIN_MS = 60_000;

async function startLine(t: TestContext, brokerPort: number): Promise<FaultProxy> {
  const listen = { host: "127.0.0.1", port: 0 };
  const proxy = await startFaultProxy({ broker: { host: "127.0.0.1", port: brokerPort }, listen, controlPort: 0 });
  cleanUp(t, () => proxy.stop());
  return proxy;
}

function optionsFor(name: string, api: string, { controlPort }: FaultProxy): TrialOptions {
  const scenario = LINE_SCENARIOS.find((one) => one.name === name);
  assert.ok(scenario);
  const control = `http://127.0.0.1:${controlPort}`;
  return { scenario, rate: 50, api, control, token: TOKEN, topic: "data/1", signal: new AbortController().signal };
}

test("the tutorial's four faults are among those that need only the line", () => {
  const names = LINE_SCENARIOS.map(({ name }) => name);
  for (const name of ["cut", "on-off", "delay", "loss"]) assert.ok(names.includes(name), name);
});

test("FAULT_PROXY-2, TRY_FAULT-1: a cut line is noticed, the link reconnects, and nothing is lost", {
  timeout: WITHIN_MS,
}, async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const line = await startLine(t, broker.port);
  const common = { DATABASE_URL: database.url, MQTT_URL: `mqtt://127.0.0.1:${line.port}`, ACKTOR_API_TOKEN: TOKEN };
  const publisher = await testPublisher(t, common);
  await testAcker(t, common);
  const options = optionsFor("cut", publisher.url, line);
  const trying = tryFault(options);
  const isBusy = async (): Promise<unknown> =>
    ((await (await fetch(options.control)).json()) as { busy: boolean }).busy;
  await until(async () => (await isBusy()) === true, 5_000, "the scenario to begin");
  assert.equal((await fetch(`${options.control}/scenarios/cut`, { method: "POST" })).status, 409, "one at a time");
  const tried = await trying;
  assert.ok(tried.ok, JSON.stringify(tried));
  const { trial } = tried;
  assert.ok(trial.accepted > 100, JSON.stringify(trial));
  assert.deepEqual([trial.lost, trial.acknowledged, trial.passed], [0, trial.accepted, true], JSON.stringify(trial));
  assert.ok((trial.missedMs ?? 0) > 2_000, "the cut comes after a calm start");
  for (const lang of ["en", "ja_JP.UTF-8"]) assert.equal(describeTrial(trial, chooseFaultTexts(lang, {})).length, 5);
});

test("TRY_FAULT-2, FAULT_PROXY-1: a trial that is not possible is reported, and is not a success", {
  timeout: WITHIN_MS,
}, async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const line = await startLine(t, broker.port);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, ACKTOR_API_TOKEN: TOKEN };
  const publisher = await testPublisher(t, common);
  const options = optionsFor("half-open", publisher.url, line);
  assert.deepEqual(await tryFault(options), { ok: false, why: "untouched" }, "the services do not use this line");
  assert.deepEqual(await tryFault({ ...options, token: "another" }), { ok: false, why: "publisher" });
  const elsewhere = options.control.replace("127.0.0.1", "127.0.0.2");
  await assert.rejects(fetch(`${elsewhere}/scenarios`), "FAULT_PROXY-1: only loopback's own address");
  await line.stop();
  assert.deepEqual(await tryFault(options), { ok: false, why: "line" });
});
