/** What ACKTOR_PRESENCE_FROM means: which message is a birth, and of which topics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPresenceFrom, sourceFor } from "@acktor/shared/protocol/presence-from";

/** The birth that a message makes; undefined where it is of no source. */
function birth(setting: string, topic: string, payload = ""): string | null | undefined {
  const sources = readPresenceFrom(setting);
  if (typeof sources === "string") throw new Error(sources);
  return sourceFor(sources, topic)?.birthOf(topic, Buffer.from(payload));
}

const LOG = "1796050000: New client connected from 127.0.0.1:41320 as dev 7 (p2, c1, k60).";

const BIRTHS: readonly (readonly [
  setting: string,
  topic: string,
  payload: string,
  birth: string | null | undefined,
])[] = [
  ["devices/{id}/up", "devices/7/up", "x", "devices/7/#"],
  ["devices/+/up", "devices/7/up", "x", "devices/7/#"],
  ["devices/+/up", "devices/7/down", "x", undefined],
  ["site/+/dev/{id}/#", "site/a/dev/7/t/1", "x", "site/a/dev/7/#"],
  ["site/+/dev/{id}/#=cmd/{id}", "site/a/dev/7/t/1", "x", "cmd/7"],
  ["devices/{id}/up", "devices//up", "x", null],
  ["emqx", "$SYS/brokers/emqx@10.0.0.1/clients/7/connected", "{}", "devices/7/#"],
  ["emqx=site/{id}/cmd", "$SYS/brokers/n/clients/7/connected", "{}", "site/7/cmd"],
  ["emqx:gw-{id}", "$SYS/brokers/n/clients/gw-7/connected", "{}", "devices/7/#"],
  ["emqx:gw-{id}", "$SYS/brokers/n/clients/other-7/connected", "{}", null],
  ["emqx:gw-{id}-x", "$SYS/brokers/n/clients/gw-x/connected", "{}", null],
  ["emqx", "$SYS/brokers/n/clients/7/disconnected", "{}", undefined],
  ["aws", "$aws/events/presence/connected/7", "{}", "devices/7/#"],
  ["mosquitto", "$SYS/broker/log/N", LOG, "devices/dev 7/#"],
  ["mosquitto", "$SYS/broker/log/N", "1796050000: Client dev7 disconnected.", null],
  ["mosquitto", "$SYS/broker/log/N", LOG.replace("dev 7", "dev/+"), null],
  ["mosquitto", "$SYS/broker/log/N", LOG.replace("dev 7", "#"), null],
  ["mosquitto", "$SYS/broker/log/N", LOG.replace("dev 7", "x".repeat(3_000)), null],
  ["mosquitto:d{id}", "$SYS/broker/log/N", LOG.replace("dev 7", () => "d$&"), "devices/$&/#"],
  ["sparkplug", "spBv1.0/plant/NBIRTH/edge", "\u0000", "spBv1.0/plant/NCMD/edge"],
  ["sparkplug", "spBv1.0/plant/DBIRTH/edge/dev", "\u0000", "spBv1.0/plant/DCMD/edge/dev"],
  ["sparkplug=devices/{id}/#", "spBv1.0/plant/DBIRTH/edge/dev", "\u0000", "devices/dev/#"],
  ["sparkplug", "spBv1.0/STATE/host", '{"online" : true,"timestamp":1}', "devices/host/#"],
  ["sparkplug", "spBv1.0/STATE/host", '{"online":false,"timestamp":1}', null],
  ["sparkplug", "spBv1.0/STATE/host", "ONLINE", "devices/host/#"],
  ["emqx, devices/{id}/up", "devices/7/up", "x", "devices/7/#"],
];

for (const [setting, topic, payload, expected] of BIRTHS) {
  // PRESENCE_FROM-1
  test(`${setting}: ${topic} ${payload.slice(0, 80)}`, () => assert.equal(birth(setting, topic, payload), expected));
}

test("what is wrong with a setting", () => {
  const faults = [
    "",
    "devices/7/up",
    "emqx=devices/#",
    "emqx:gw",
    "a=b={id}",
    "a/#/{id}",
    "$SYS/{id}/x",
    "emqx=a{id}/#/b",
  ];
  assert.deepEqual(
    faults.map((setting) => String(readPresenceFrom(setting)).replace(/^has an item "[^"]*" that /, "")),
    [
      "is neither emqx, mosquitto, aws, sparkplug nor a filter with {id}, as in devices/{id}/up",
      "is neither emqx, mosquitto, aws, sparkplug nor a filter with {id}, as in devices/{id}/up",
      "has no {id} after the =, as in devices/{id}/up=devices/{id}/#",
      "has no {id} after the colon, as in emqx:gw-{id}",
      "has more than one =",
      "has a # that is not the last level",
      "starts with $, which brokers keep for themselves",
      "has topics after the = whose filter has a # that is not the last level",
    ],
  );
});
