import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { readAckerConfig } from "@acktor/acker/config";
import { readPublisherConfig } from "@acktor/publisher/config";
import type { Settings } from "@acktor/shared/runtime/config";
import { exposureFault } from "@acktor/shared/runtime/setting-faults";
import {
  ackerSettings,
  instanceName,
  knownNames,
  publisherSettings,
  toolSettings,
} from "@acktor/shared/runtime/settings";
import { ackKeyPair } from "../../support/ack-keys.ts";

const GOOD = { DATABASE_URL: "postgres://u:p@127.0.0.1/d", MQTT_URL: "mqtt://127.0.0.1" };

function faultsOf(env: Record<string, string>): readonly string[] {
  const result = readPublisherConfig({ ...GOOD, ...env });
  return result.ok ? [] : result.faults;
}

for (const [name, setting] of Object.entries<Settings[string]>({
  ...publisherSettings,
  ...ackerSettings,
  ...toolSettings,
})) {
  test(`${name}: its fallback and its example are values that it takes`, () => {
    for (const value of [setting.fallback, setting.example === "…" ? undefined : setting.example]) {
      if (value !== undefined) assert.equal(setting.schema.safeParse(value).success, true, value);
    }
    assert.notEqual(setting.description, "");
  });
}

test("one environment serves both services", () => {
  assert.deepEqual(
    faultsOf({ ACKTOR_TOPICS: "a/#", ACKTOR_GROUP: "g", ACKTOR_DATA_DIR: "/d", ACKTOR_REQUIRE: "x" }),
    [],
  );
  assert.ok(knownNames.includes("ACKTOR_API_TOKEN_FILE"));
  assert.match(faultsOf({ ACKTOR_TOPICZ: "a/#" }).join(), /Did you mean ACKTOR_TOPICS\?/);
});

test("listening on a network requires a token", () => {
  for (const host of ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
    assert.equal(exposureFault(host, null), null, host);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org", "example.org", "localhost.example.org"]) {
    assert.match(exposureFault(host, null) ?? "", /ACKTOR_API_TOKEN is required/, host);
    assert.equal(exposureFault(host, "a token of sixteen"), null, host);
  }
});

test("a NATS server that is not loopback requires a secret: any client could send commands otherwise", () => {
  const wanted = /NATS_URL names .* ACKTOR_NATS_SECRET \(or ACKTOR_API_TOKEN\) is required/;
  for (const host of ["nats", "10.0.0.1", "[2001:db8::1]", "localhost.example.org"]) {
    const NATS_URL = `nats://user:canary@${host}:4222`;
    assert.match(faultsOf({ NATS_URL }).join(), wanted, host);
    assert.doesNotMatch(faultsOf({ NATS_URL }).join(), /canary/);
    for (const name of ["ACKTOR_NATS_SECRET", "ACKTOR_API_TOKEN"])
      assert.deepEqual(faultsOf({ NATS_URL, [name]: "a secret of sixteen" }), [], host);
  }
  for (const host of ["127.0.0.1", "localhost", "[::1]"])
    assert.deepEqual(faultsOf({ NATS_URL: `nats://${host}:4222` }), []);
  assert.match(faultsOf({ ACKTOR_NATS_SECRET: "short" }).join(), /ACKTOR_NATS_SECRET is shorter than 16/);
  assert.match(faultsOf({ ACKTOR_NATS_INBOX: "a.b" }).join(), /ACKTOR_NATS_INBOX is not 1 to 50 letters/);
});

test("faults between settings are reported with the faults of single settings", () => {
  const faults = faultsOf({
    HTTP_HOST: "0.0.0.0",
    ACKTOR_WINDOW: "many",
    ACKTOR_ACK_PREFIX: "delivery",
    ACKTOR_ACK_TIMEOUT_MIN: "31s",
    ACKTOR_DEFAULT_TTL: "8d",
    ACKTOR_PUBLISH_DEADLINE: "12001ms",
  });
  const wanted = [/ACKTOR_WINDOW/, /HTTP_HOST/, /overlap/, /ACK_TIMEOUT_MIN is longer/, /DEFAULT_TTL is longer/];
  assert.equal(faults.length, 6);
  for (const name of [...wanted, /ACKTOR_LEASE is shorter/]) assert.match(faults.join("\n"), name);
  assert.deepEqual(faultsOf({ ACKTOR_PUBLISH_DEADLINE: "12s" }), []);
});

test("a token that is too short is one fault, not two", () => {
  const faults = faultsOf({ HTTP_HOST: "0.0.0.0", ACKTOR_API_TOKEN: "short" });
  assert.equal(faults.length, 1);
  assert.match(faults[0] ?? "", /^ACKTOR_API_TOKEN is shorter/);
});

test("prefixes overlap when one is, or lies under, the other", () => {
  const overlap = (ack: string, presence: string): boolean => {
    return faultsOf({ ACKTOR_ACK_PREFIX: ack, ACKTOR_PRESENCE_PREFIX: presence }).join().includes("overlap");
  };
  assert.equal(overlap("a", "a"), true);
  assert.equal(overlap("a", "a/b"), true);
  assert.equal(overlap("a/b", "a"), true);
  assert.equal(overlap("a/b", "a/bc"), false);
});

test("prefixes are topic names", () => {
  for (const bad of ["a/#", "$SYS", "a\tb"]) assert.equal(faultsOf({ ACKTOR_ACK_PREFIX: bad }).length, 1, bad);
});

test("a process has the configured name, or host name and port", () => {
  assert.equal(instanceName("acker-1", 8080), "acker-1");
  assert.match(instanceName(null, 8080), /^[A-Za-z0-9][A-Za-z0-9._-]*-8080$/);
  assert.match(instanceName(null, 0), new RegExp(`-${process.pid}$`));
});

test("a certificate for an unencrypted connection, or half a pair, is a fault", () => {
  const { certificate, key } = selfSigned;
  const mqtt = { MQTT_URL: "mqtts://127.0.0.1" };
  assert.deepEqual(faultsOf({ ...mqtt, MQTT_CA: certificate, MQTT_CERT: certificate, MQTT_KEY: key }), []);
  assert.deepEqual(faultsOf({ DATABASE_CA: certificate, NATS_URL: "tls://127.0.0.1", NATS_CA: certificate }), []);
  assert.match(faultsOf({ MQTT_CA: certificate }).join(), /need an encrypted MQTT_URL/);
  assert.match(faultsOf({ ...mqtt, MQTT_CERT: certificate }).join(), /MQTT_CERT and MQTT_KEY belong together/);
  assert.match(faultsOf({ NATS_URL: "nats://127.0.0.1", NATS_CA: certificate }).join(), /needs an encrypted NATS_URL/);
  assert.match(faultsOf({ NATS_CA: certificate }).join(), /needs an encrypted NATS_URL/);
});

test("an invalid certificate or key is a fault that does not show its value", () => {
  const { certificate, key } = selfSigned;
  const broken = certificate.replace(/MII/, "AAA");
  for (const text of ["a CA", broken, key]) {
    const faults = faultsOf({ DATABASE_CA: text });
    assert.match(faults.join(), /DATABASE_CA is not a certificate in PEM/);
  }
  const [fault = ""] = faultsOf({ MQTT_URL: "mqtts://127.0.0.1", MQTT_CERT: certificate, MQTT_KEY: "geheim" });
  assert.match(fault, /MQTT_KEY is not a private key in PEM/);
  assert.doesNotMatch(fault, /geheim/);
});

/** Made for this test; it has expired, since only its form is checked. */
const selfSigned = {
  certificate: `-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAhQhoxqp4d6QW2+YcZgw/qnVjehh9DAFBgMrZXAwDDEKMAgG
A1UEAwwBdDAeFw0yNjExMjYyMDU4MDJaFw0yNjExMjcyMDU4MDJaMAwxCjAIBgNV
BAMMAXQwKjAFBgMrZXADIQAclz+b3YD33fmGoB/hGX7Y9N+fs1hL8oZojRjTaQ34
3qNTMFEwHQYDVR0OBBYEFIfn+LqJ7PvY93jf+WjJtaMh8yxxMB8GA1UdIwQYMBaA
FIfn+LqJ7PvY93jf+WjJtaMh8yxxMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA
s6FNlOS081lwF4MN4MKRVmL0Gq1Qs4SCHk2fJEIk7+HqQBi6QJHYWzQ+hdEaqAbe
PCuJIIZx7Bu4XlDYzcNoCQ==
-----END CERTIFICATE-----`,
  key: generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string,
};

test("a key for only one direction is a fault that names the other", () => {
  const { publicPem, privatePem } = ackKeyPair();
  const keys = { ACKTOR_ACK_PUBLIC_KEYS: publicPem };
  assert.match(
    faultsOf(keys).join(),
    /ACKTOR_ACK_PUBLIC_KEYS is set, .* ACKTOR_ENVELOPE_PRIVATE_KEY or ACKTOR_ACK_SECRET/,
  );
  for (const more of [
    { ACKTOR_ENVELOPE_PRIVATE_KEY: privatePem },
    { ACKTOR_ACK_SECRET: "a secret of sixteen or more" },
    { ACKTOR_ACK_SIGNATURES: "1,2" },
  ]) {
    assert.deepEqual(faultsOf({ ...keys, ...more }), []);
  }
  const acker = (env: Record<string, string>): readonly string[] => {
    const read = readAckerConfig({ ...GOOD, ACKTOR_TOPICS: "a/#", ...env });
    return read.ok ? [] : read.faults;
  };
  const own = { ACKTOR_ACK_PRIVATE_KEY: privatePem };
  assert.match(acker(own).join(), /ACKTOR_ACK_PRIVATE_KEY is set, .* ACKTOR_ENVELOPE_PUBLIC_KEYS or ACKTOR_ACK_SECRET/);
  assert.deepEqual(acker({ ...own, ACKTOR_ENVELOPE_PUBLIC_KEYS: publicPem }), []);
  assert.match(
    faultsOf({ ACKTOR_ACK_SIGNATURES: "2,3" }).join(),
    /ACKTOR_ACK_SIGNATURES has an item "3" that is not one of 1, 2/,
  );
});
