/** URLs of brokers, and what of them people may see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBrokerUrl } from "@acktor/shared/mqtt/broker-address";

test("parts, default ports and paths", () => {
  assert.deepEqual(parseBrokerUrl("mqtt://broker"), {
    protocol: "mqtt",
    host: "broker",
    port: 1883,
    path: "/",
    username: null,
    password: null,
    shown: "mqtt://broker:1883",
  });
  assert.equal(parseBrokerUrl("mqtts://broker").port, 8883);
  assert.equal(parseBrokerUrl("wss://broker/mqtt?a=1").path, "/mqtt?a=1");
  assert.equal(parseBrokerUrl("mqtt://[::1]:9999").host, "::1");
});

test("credentials are decoded, and not shown", () => {
  const address = parseBrokerUrl("mqtt://us%40er:p%3Ass@broker:1");
  assert.equal(address.username, "us@er");
  assert.equal(address.password, "p:ss");
  assert.equal(address.shown, "mqtt://broker:1");
  assert.equal(parseBrokerUrl("mqtt://user:100%@broker").password, "100%");
});

test("a URL that is not a broker's is rejected", () => {
  for (const url of ["", "broker:1883", "http://broker", "mqtt://", "mqtt:///path"]) {
    assert.throws(() => parseBrokerUrl(url), TypeError, url);
  }
});
