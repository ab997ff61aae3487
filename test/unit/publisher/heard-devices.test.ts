/** Uplinks come often: they are births once in a while, and cost nothing in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPublisherConfig } from "@acktor/publisher/config";
import { HeardDevices } from "@acktor/publisher/control/heard-devices";
import { type PresenceSource, readPresenceFrom } from "@acktor/shared/protocol/presence-from";
import { testClock } from "../../support/test-clock.ts";

function rig(setting = "devices/{id}/up,emqx") {
  const births: string[] = [];
  const clock = testClock();
  const sources = readPresenceFrom(setting) as readonly PresenceSource[];
  const heard = new HeardDevices({ sources, births: { add: (filters) => void births.push(...filters) }, clock });
  const hear = (topic: string, retain = false): boolean =>
    heard.receive({ topic, payload: Buffer.from("x"), qos: 0, retain, userProperties: undefined });
  return { heard, births, clock, hear };
}

test("HEARD-1: a device is born once in a while, however often it sends", () => {
  const { heard, births, clock, hear } = rig();
  for (let second = 0; second < 120; second++) {
    for (let n = 0; n < 10; n++) hear("devices/7/up");
    clock.at += 1_000;
  }
  assert.ok(births.length >= 4 && births.length <= 8, `${births.length} births in two minutes`);
  assert.deepEqual([...new Set(births)], ["devices/7/#"]);
  assert.equal(heard.counts.awake, 1_200 - births.length);
  clock.at += 60_000;
  hear("devices/7/up");
  hear("$SYS/brokers/a/clients/7/connected");
  hear("$SYS/brokers/b/clients/7/connected");
  assert.equal(births.length, heard.counts.born);
  assert.equal(births.length <= 10, true, "the event counts once, of any node");
});

test("HEARD-2: the number of births is bounded; a device that is too much is born by its next message", () => {
  const { heard, births, clock, hear } = rig();
  for (let n = 0; n < 3_000; n++) hear(`devices/${n}/up`);
  assert.deepEqual([births.length, heard.counts.overflow], [2_000, 1_000]);
  clock.at += 1_000;
  hear("devices/2999/up");
  assert.equal(births.at(-1), "devices/2999/#");
});

test("HEARD-3: retained messages are no births; other messages are left to others", () => {
  const { heard, births, hear } = rig();
  assert.deepEqual(
    [hear("devices/7/up", true), hear("delivery/ack/x"), hear("devices/7/up/more")],
    [true, false, false],
  );
  assert.deepEqual([births, heard.counts.no_birth], [[], 1]);
  assert.deepEqual(heard.filters, ["devices/+/up", "$SYS/brokers/+/clients/+/connected"]);
  assert.equal(rig("emqx").hear("devices/7/up"), false);
});

test("uplinks under acktor's own topics are refused at the start", () => {
  const env = { DATABASE_URL: "postgres://localhost/x", MQTT_URL: "mqtt://localhost" };
  const faultOf = (setting: string): string => {
    const read = readPublisherConfig({ ...env, ACKTOR_PRESENCE_FROM: setting });
    return read.ok ? "" : read.faults.join("\n");
  };
  assert.match(faultOf("+/#"), /ACKTOR_PRESENCE_FROM selects topics under delivery\/ack, which acktor keeps/);
  assert.match(faultOf("devices/up"), /is neither emqx.*Example: ACKTOR_PRESENCE_FROM=devices\/\{id\}\/up/);
  assert.equal(faultOf("devices/{id}/up,mosquitto:dev-{id}=devices/{id}/cmd"), "");
});
