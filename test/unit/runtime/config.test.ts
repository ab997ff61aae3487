import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import {
  choice,
  duration,
  type Environment,
  integer,
  list,
  namesOf,
  ratio,
  readConfig,
  type Settings,
  spell,
  text,
  url,
} from "@acktor/shared/runtime/config";
import fc from "fast-check";
import type { z } from "zod";

const table = {
  ACKTOR_PORT: { description: "", example: "8080", fallback: "8080", schema: integer(0, 65_535) },
  ACKTOR_TOKEN: {
    description: "",
    example: "…",
    secret: true,
    schema: text((v) => (v.length < 8 ? "is short" : null)),
  },
  ACKTOR_NAME: { description: "", example: "one", schema: text() },
  DATABASE_URL: { description: "", example: "postgres://h/d", required: true, secret: true, schema: url("postgres") },
  MQTT_URL: { description: "", example: "mqtt://h", required: true, schema: url("mqtt") },
} as const satisfies Settings;

const GOOD = { DATABASE_URL: "postgres://u:p@h/d", MQTT_URL: "mqtt://h" };

function faultsOf(env: Environment, known: readonly string[] = []): readonly string[] {
  const result = readConfig(table, env, known);
  return result.ok ? [] : result.faults;
}

function temporaryFile(t: TestContext, content: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "acktor-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "secret");
  writeFileSync(file, content);
  return file;
}

test("a setting that is not set has its fallback, or is null", () => {
  const result = readConfig(table, GOOD);
  assert.deepEqual(result, {
    ok: true,
    config: { ...GOOD, ACKTOR_PORT: 8080, ACKTOR_TOKEN: null, ACKTOR_NAME: null },
  });
});

test("CONFIG-1: all faults are listed together, each with its name and an example", () => {
  const faults = faultsOf({ ACKTOR_PORT: "99999", ACKTOR_TOKEN: "abc", MQTT_URL: "http://h", ACKTOR_NAM: "x" });
  assert.equal(faults.length, 5);
  assert.match(faults[0] ?? "", /^ACKTOR_NAM is not a setting of acktor\. Did you mean ACKTOR_NAME\?$/);
  assert.match(
    faults[1] ?? "",
    /^ACKTOR_PORT must lie between 0 and 65535 \(got "99999"\)\. Example: ACKTOR_PORT=8080$/,
  );
  assert.match(faults[2] ?? "", /^ACKTOR_TOKEN is short\. Example: /);
  assert.match(faults[3] ?? "", /^DATABASE_URL is required\. Example: DATABASE_URL=postgres:\/\/h\/d$/);
  assert.match(faults[4] ?? "", /^MQTT_URL must begin with mqtt:\/\/ /);
});

test("faults between settings are added, and receive only what could be read", () => {
  const result = readConfig(table, { MQTT_URL: "mqtt://h", ACKTOR_PORT: "x" }, [], (config) => {
    return [`sees ${Object.keys(config).sort().join(" ")}`];
  });
  assert.equal(result.ok, false);
  assert.deepEqual(result.ok ? [] : result.faults.slice(-1), ["sees ACKTOR_NAME ACKTOR_TOKEN MQTT_URL"]);
  assert.equal(readConfig(table, GOOD, [], () => ["no"]).ok, false);
});

test("CONFIG-4: an empty value counts as not set", () => {
  const result = readConfig(table, { ...GOOD, ACKTOR_PORT: "", ACKTOR_TOKEN: "", ACKTOR_TOKEN_FILE: "" });
  assert.equal(result.ok && result.config.ACKTOR_PORT, 8080);
  assert.match(faultsOf({ ...GOOD, MQTT_URL: "" }).join(), /MQTT_URL is required/);
});

test("a secret is read from its file, without the line's end", (t) => {
  const result = readConfig(table, { ...GOOD, ACKTOR_TOKEN_FILE: temporaryFile(t, "  a long secret\n") });
  assert.equal(result.ok && result.config.ACKTOR_TOKEN, "a long secret");
});

test("a secret and its file are not both given", (t) => {
  const faults = faultsOf({ ...GOOD, ACKTOR_TOKEN: "hunter2hunter2", ACKTOR_TOKEN_FILE: temporaryFile(t, "x") });
  assert.deepEqual(faults, ["ACKTOR_TOKEN and ACKTOR_TOKEN_FILE are both set. Keep one of them."]);
});

test("a file that is missing or empty is a fault that names it", (t) => {
  const file = temporaryFile(t, " \n");
  assert.match(faultsOf({ ...GOOD, ACKTOR_TOKEN_FILE: file }).join(), /names an empty file/);
  assert.equal(faultsOf({ ACKTOR_TOKEN_FILE: file }).length, 3);
  assert.match(
    faultsOf({ ...GOOD, ACKTOR_TOKEN_FILE: `${file}-not` }).join(),
    /cannot be read \(ENOENT\): .*secret-not/,
  );
});

test("only secrets have a file: elsewhere NAME_FILE is an unknown name, not ignored", () => {
  assert.deepEqual(
    namesOf(table).filter((name) => name.endsWith("_FILE")),
    ["ACKTOR_TOKEN_FILE", "DATABASE_URL_FILE"],
  );
  assert.match(faultsOf({ ...GOOD, ACKTOR_NAME_FILE: "/x" }).join(), /ACKTOR_NAME_FILE is not a setting/);
});

test("CONFIG-2: no fault text contains a secret or the credentials of a URL", () => {
  const secret = fc.string({ minLength: 5, maxLength: 20 }).map((value) => `s3cret-${value}`);
  fc.assert(
    fc.property(secret, (value) => {
      const env = { ACKTOR_TOKEN: value.slice(0, 7), DATABASE_URL: value, MQTT_URL: `tcp://user:${value}@broker/` };
      const faults = faultsOf(env).join("\n");
      assert.match(faults, /MQTT_URL .*@broker/);
      assert.ok(!faults.includes("s3cret"), faults);
    }),
  );
});

test("CONFIG-3: unknown names are faults; names of other parts, and of other programs, are not", () => {
  assert.match(
    faultsOf({ ...GOOD, ACKTOR_WHAT_IS_THIS: "1" }).join(),
    /^ACKTOR_WHAT_IS_THIS is not a setting of acktor\.$/,
  );
  assert.deepEqual(faultsOf({ ...GOOD, ACKTOR_TOPICS: "a" }, ["ACKTOR_TOPICS"]), []);
  assert.deepEqual(faultsOf({ ...GOOD, PATH: "/bin", DATABASE_URI: "x" }), []);
});

test("reading never throws", () => {
  const name = fc.oneof(fc.constantFrom(...Object.keys(table), "ACKTOR_TOKEN_FILE"), fc.string());
  fc.assert(
    fc.property(fc.dictionary(name, fc.string()), (env) => {
      const result = readConfig(table, env);
      assert.equal(result.ok || result.faults.length > 0, true);
    }),
  );
});

/** The value, or the fault's text. */
function read<T>(schema: z.ZodType<T, string>, value: string): T | string {
  const result = schema.safeParse(value);
  return result.success ? result.data : (result.error.issues[0]?.message ?? "");
}

test("durations", () => {
  const schema = duration(100, 86_400_000);
  const good = { "250ms": 250, "30s": 30_000, "1.5s": 1_500, "5m": 300_000, "24h": 86_400_000, "1d": 86_400_000 };
  for (const [written, ms] of Object.entries(good)) assert.equal(read(schema, written), ms, written);
  for (const bad of ["30", "s", "30 s", "-1s", "1e3s", "30S", "1w", "", " 1s", "1s\n", "٣s"]) {
    assert.match(String(read(schema, bad)), /is not a duration/, bad);
  }
  assert.equal(read(schema, "99ms"), "must lie between 100ms and 1d");
  assert.equal(read(schema, "2d"), "must lie between 100ms and 1d");
});

test("a duration is spelled as it can be read", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (ms) => {
      assert.equal(read(duration(0, 10 ** 12), spell(ms)), ms);
    }),
  );
});

test("whole numbers and ratios", () => {
  assert.equal(read(integer(-5, 5), "-5"), -5);
  for (const bad of ["1.5", "1e3", "", "0x1", "one"])
    assert.match(String(read(integer(0, 9), bad)), /whole number/, bad);
  assert.match(String(read(integer(0, 9), "10")), /between 0 and 9/);
  assert.equal(read(ratio(), "1"), 1);
  for (const bad of ["0", "1.1", "-1", "x", "NaN", "Infinity"])
    assert.match(String(read(ratio(), bad)), /above 0/, bad);
});

test("choices and lists", () => {
  assert.equal(read(choice("on", "off"), "on"), "on");
  assert.match(String(read(choice("on", "off"), "ON")), /is not one of on, off/);
  const items = list((v) => (v === "" ? "is empty" : null));
  assert.deepEqual(read(items, " a , b"), ["a", "b"]);
  assert.match(String(read(items, "a,,b")), /has an item "" that is empty/);
});

test("URLs", () => {
  const schema = url("postgres", "postgresql");
  for (const good of ["postgres://u:p@h:5432/d", "postgresql://h/d", "postgres:///d?host=/run/postgresql"]) {
    assert.equal(read(schema, good), good);
  }
  assert.match(String(read(schema, "localhost:5432")), /must begin with|is not a URL/);
  assert.match(String(read(schema, "mysql://h/d")), /must begin with postgres:\/\/, postgresql:\/\//);
  assert.match(String(read(schema, "postgres:///d")), /names no host/);
});
