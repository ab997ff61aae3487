/** The log of a pair at work: one line for each transition of every machine, none for polls, with the fields of our rules. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testAcker, testBroker } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

interface Line {
  readonly actor?: string;
  readonly region?: string;
  readonly from?: string;
  readonly to?: string;
  readonly event?: string;
  readonly "service.name"?: string;
  readonly "service.instance.id"?: string;
}

const moves = (lines: readonly Line[], actor: string): string[] =>
  lines.filter((line) => line.actor === actor && line.to !== undefined).map(({ from, to }) => `${from} ${to}`);

test("transitions are said once, polls are not", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url, LOG_LEVEL: "info", ACKTOR_POLL: "20ms" };
  const publisher = await testPublisher(t, common);
  const acker = await testAcker(t, common);
  const polls = async (): Promise<number> => {
    const { instances } = (await publisher.ask("GET", "/v1/machines")).json as {
      instances: { actors: { actor: string; context: { runs?: number } }[] }[];
    };
    return instances[0]?.actors.find(({ actor }) => actor === "counter")?.context.runs ?? 0;
  };
  // The outbox has been polled some fifty times for each run of the counter.
  await until(async () => (await polls()) >= 3, 20_000, "three runs of a periodic role");
  for (const command of ["pause", "resume"]) {
    assert.equal((await publisher.ask("POST", `/v1/control/${command}`, {})).status, 200);
  }
  const id = await publisher.send({ topic: "data/1", content: "x" });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
  await acker.running.stop();

  const lines = publisher.log.map((line) => JSON.parse(line) as Line);
  assert.deepEqual(moves(lines, "supervisor"), ["STARTING RUNNING", "RUNNING PAUSED", "PAUSED RUNNING"]);
  assert.deepEqual(
    moves(lines, "dispatcher").filter((move) => !/IDLE/.test(move)),
    [],
  );
  assert.ok(moves(lines, "dispatcher").length >= 3);
  assert.deepEqual(
    lines.filter(({ region, actor }) => actor === "link" && region === "connection").map(({ to }) => to),
    ["CONNECTING", "CONNECTED"],
  );
  for (const role of ["expiry", "counter", "prober", "health"]) assert.deepEqual(moves(lines, role), []);
  const theirs = acker.log as readonly Line[];
  assert.deepEqual(moves(theirs, "supervisor"), ["STARTING RUNNING", "RUNNING DRAINING", "DRAINING STOPPED"]);
  assert.deepEqual(moves(theirs, "receiver"), ["LISTENING DRAINING", "DRAINING STOPPED"]);
  for (const line of [...lines, ...theirs]) {
    assert.match(line["service.name"] ?? "", /^acktor-(publisher|acker)$/);
    assert.match(line["service.instance.id"] ?? "", /^(publisher|acker)-1$/);
    if (line.to !== undefined) assert.ok(line.actor && line.from && line.event, JSON.stringify(line));
  }
});
