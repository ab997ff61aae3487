/** Topics that change on the way: which changes a map explains, which filters follow, what a difference suggests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AckPrefixes, readAckPrefixes } from "@acktor/shared/protocol/ack-prefixes";
import { readTopicMap, suggestChange, TopicMap } from "@acktor/shared/protocol/topic-map";
import { filterCovers } from "@acktor/shared/protocol/topics";

function mapOf(text: string): TopicMap {
  const map = readTopicMap(text);
  assert.ok(map instanceof TopicMap, String(map));
  return map;
}

test("TOPIC_MAP-1: a declared change explains the topic that it gives, and no other", () => {
  const cases: [map: string, received: string, claimed: string | null, sent: string | null][] = [
    ["site7/=", "site7/data/1", "data/1", "data/1"],
    ["site7/=", "site7/data/1", "data/2", null],
    ["site7/=", "site8/data/1", "data/1", null],
    ["site7/=", "site7/data/1", "site7/data/1", "site7/data/1"],
    ["site7/=", "site7/data/1", null, "data/1"],
    ["site7/=", "data/1", null, "data/1"],
    ["=site7/", "data/1", "site7/data/1", "site7/data/1"],
    ["a/=b/,a/=c/", "a/1", "c/1", "c/1"],
    ["site7/=", "site7/s/192/168/0/1", "s/192.168.0.1", null],
    ["rabbitmq", "s/192/168/0/1", "s/192.168.0.1", "s/192.168.0.1"],
    ["rabbitmq", "s/+", "s/*", "s/*"],
    ["rabbitmq", "s/192/168/0/1", "s/192.168.0/2", null],
    ["rabbitmq,site7/=", "site7/s/192/168/0/1", "s/192.168.0.1", "s/192.168.0.1"],
    // TOPIC_MAP-2
    ["site7/=", "site7/$SYS/x", "$SYS/x", null],
    ["site7/=", "site7/", "", null],
  ];
  for (const [map, received, claimed, sent] of cases) {
    assert.equal(mapOf(map).asSent(received, claimed), sent, `${map} ${received} ${claimed}`);
  }
  assert.equal(new TopicMap().asSent("site7/data/1", "data/1"), null);
});

test("filters follow the map in both directions", () => {
  const map = mapOf("site7/=,up/b/=down/");
  assert.deepEqual(map.filtersAsReceived("data/#"), ["site7/data/#"]);
  assert.deepEqual(map.filtersAsReceived("down/+/x"), ["site7/down/+/x", "up/b/+/x"]);
  assert.deepEqual(map.filtersAsReceived("+/x"), ["site7/+/x", "up/b/x"]);
  assert.deepEqual(map.filtersAsReceived("#"), ["site7/#", "up/b/#"]);
  assert.deepEqual(map.filtersAsSent("site7/data/#"), ["data/#"]);
  assert.deepEqual(map.filtersAsSent("up/+/x"), ["down/x"]);
  assert.deepEqual(map.filtersAsSent("up/b"), []);
  const covered: [string, string, boolean][] = [
    ["#", "a/+/#", true],
    ["a/+", "a/b", true],
    ["a/+", "a/#", false],
    ["a/+", "a/b/c", false],
    ["a/b", "a/+", false],
  ];
  for (const [wide, narrow, expected] of covered)
    assert.equal(filterCovers(wide, narrow), expected, `${wide} ${narrow}`);
});

test("a difference suggests its setting, where topics have an end in common", () => {
  const cases: [received: string, sent: string, setting: string | null][] = [
    ["site7/data/1", "data/1", "site7/="],
    ["data/1", "site7/data/1", "=site7/"],
    ["a/1", "b/1", "a/=b/"],
    ["s/192/168/0/1", "s/192.168.0.1", "rabbitmq"],
    ["a/1", "a/2", null],
    ["a=b/1", "c/1", null],
    ["a,b/1", "c/1", null],
  ];
  for (const [received, sent, setting] of cases) assert.equal(suggestChange(received, sent), setting, received);
});

test("maps and prefixes with faults are refused by name", () => {
  const faults: [string, RegExp][] = [
    ["site7/", /neither received-prefix=sent-prefix nor rabbitmq/],
    ["site7/#=", /wildcard.*site7\/=/],
    ["a/=a/", /changes nothing/],
    [Array.from({ length: 101 }, (_, i) => `${i}/=`).join(","), /more than 100/],
  ];
  for (const [text, fault] of faults) assert.match(String(readTopicMap(text)), fault);
  assert.match(String(readAckPrefixes("data/#")), /is not filter=prefix/);
  assert.match(String(readAckPrefixes("data/#=a/#")), /wildcard/);
  assert.match(String(readAckPrefixes("da#ta=a")), /# inside a level/);
});

test("a message asks for its ack under the prefix that its receiver sees", () => {
  const seen = readAckPrefixes("data/#=site7/delivery/ack/, +/x=other");
  assert.ok(typeof seen !== "string");
  const prefixes = new AckPrefixes("delivery/ack", seen);
  assert.deepEqual(
    ["data/x", "a/x", "b/y"].map((topic) => prefixes.of(topic)),
    ["site7/delivery/ack", "other", "delivery/ack"],
  );
});
