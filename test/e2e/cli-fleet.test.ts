/** The command over NATS: by one publisher every instance is seen and commanded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { controlOutput, doctorOutput, statusOutput } from "@acktor/cli/outputs";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { readOutput, runCli, startCli } from "../support/cli.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { setStage } from "../support/pair.ts";

interface Reply {
  readonly service: string;
  readonly instance: string;
  readonly ok: boolean;
}

test("every acker is paused and resumed by one publisher, seen while it happens", {
  timeout: TEST_LIMIT_MS,
}, async (t) => {
  const nats = await startNatsServer(t);
  if (nats === null) return;
  const stage = await setStage(t, { broker: AEDES, env: { NATS_URL: nats.url } });
  const [publisher, one, two] = await Promise.all([
    stage.publisher({ ACKTOR_INSTANCE: "pub" }),
    stage.acker({ ACKTOR_INSTANCE: "ack-1" }),
    stage.acker({ ACKTOR_INSTANCE: "ack-2" }),
  ]);
  const env = { ACKTOR_URL: publisher.url };
  const stateOf = async (url: string): Promise<string> => {
    return readOutput(statusOutput, await runCli(t, ["status", "--json", "--url", url])).status.state;
  };
  const all = async (verb: string): Promise<unknown> => {
    const ended = await runCli(t, [verb, "--service", "acker", "--instance", "all", "--json"], { env });
    if (ended.exit !== 0) return ended.err;
    const { replies } = readOutput(controlOutput, ended) as { replies: readonly Reply[] };
    return replies.map(({ service, instance, ok }) => `${service} ${instance} ${ok}`).sort();
  };
  const watching = startCli(t, ["watch"], { env });
  for (const instance of ["pub", "ack-1", "ack-2"]) await watching.says(new RegExp(` ${instance} `));

  assert.deepEqual(await all("pause"), ["acker ack-1 true", "acker ack-2 true"]);
  assert.deepEqual([await stateOf(one.url), await stateOf(two.url)], ["PAUSED", "PAUSED"]);
  await watching.says(/acker ack-2 receiver {2}PAUSED/);
  const single = await runCli(t, ["resume", "--service", "acker", "--instance", "ack-1", "--json"], { env });
  assert.deepEqual(readOutput(controlOutput, single), { state: "RUNNING" });
  assert.deepEqual([await stateOf(one.url), await stateOf(two.url)], ["RUNNING", "PAUSED"]);
  // One of them cannot resume once more: the others do, and the exit code tells.
  const rest = await runCli(t, ["resume", "--service", "acker", "--instance", "all"], { env });
  assert.equal(rest.exit, 1);
  assert.match(rest.out, /acker ack-1: refused: /);
  assert.match(rest.out, /acker ack-2: done state=RUNNING/);
  watching.child.kill("SIGINT");
  assert.equal((await watching.ended).exit, 130);

  const servers = { DATABASE_URL: stage.databaseUrl, MQTT_URL: stage.broker.url, NATS_URL: nats.url };
  const { checks } = readOutput(doctorOutput, await runCli(t, ["doctor", "--json"], { env: { ...env, ...servers } }));
  assert.equal(checks.find(({ check }) => check === "nats")?.verdict, "OK");
  await nats.kill();
  const alone = await runCli(t, ["pause", "--service", "acker", "--instance", "ack-1"], { env });
  assert.equal(alone.exit, 3, alone.err);
});
