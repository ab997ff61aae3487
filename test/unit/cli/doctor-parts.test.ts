/** The doctor's and the configuration's pure parts: verdicts, masks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { maskUrl, show } from "@acktor/cli/commands/config";
import { failed, median, ok, warn, worst } from "@acktor/cli/doctor/check";
import { judgeRoom } from "@acktor/cli/doctor/check-disk";
import { databaseCheck } from "@acktor/cli/doctor/database-check";
import { english } from "@acktor/cli/texts/english";
import { ackerSettings, type PublisherSettings, publisherSettings } from "@acktor/shared/runtime/settings";
import { REFUSED, rows } from "../../support/db-results.ts";

test("the verdict is the worst of all", () => {
  const checks = [ok("a", ""), warn("b", "", "do"), failed("c", "", "do")];
  assert.equal(worst([]), "OK");
  assert.equal(worst(checks.slice(0, 1)), "OK");
  assert.equal(worst(checks.slice(0, 2)), "WARN");
  assert.equal(worst(checks), "FAIL");
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([]), 0);
});

test("DATABASE_CHECK-1: a question that the database refuses is a WARN; one without its table is not asked", async () => {
  const context = { texts: english.doctor, config: {} as PublisherSettings };
  const check = { id: "slots", question: "select 1", judge: () => ok("slots", "none") };
  assert.equal((await databaseCheck(check).ask({ run: async () => rows() }, context))?.verdict, "OK");
  const refused = await databaseCheck(check).ask({ run: async () => REFUSED }, context);
  assert.deepEqual([refused?.verdict, refused?.found], ["WARN", "no (22003)"]);
  const needy = databaseCheck({ ...check, needs: "publisher.nothing" });
  assert.equal(await needy.ask({ run: async () => rows() }, context), null);
});

test("a disk that fills up causes a warning early", () => {
  const verdict = (mib: number): string => judgeRoom(english, "/data", mib * 1_048_576).verdict;
  assert.deepEqual([50, 100, 1_023, 1_024].map(verdict), ["FAIL", "WARN", "WARN", "OK"]);
});

test("MASK-1: addresses are shown without user, password, query and fragment", () => {
  const addresses: [string, string][] = [
    ["mqtt://broker:1883", "mqtt://broker:1883"],
    ["mqtt://me:canary@broker:1883/x", "mqtt://***@broker:1883/x"],
    ["postgres://canary@db/acktor?password=canary&sslmode=require", "postgres://***@db/acktor?***"],
    ["nats://canary@nats:4222", "nats://***@nats:4222"],
    ["postgres://me:ca/na@ry@db/x", "***"],
    ["postgres://me:canary", "***"],
    ["plain text", "plain text"],
  ];
  assert.deepEqual(
    addresses.map(([address]) => [address, maskUrl(address)]),
    addresses,
  );
});

test("MASK-1: no secret of any service is shown, for every value and origin", () => {
  const all = { ...publisherSettings, ...ackerSettings };
  for (const canary of [
    "canary-0123456789",
    "x://canary",
    "postgres://u:canary@h/d",
    "mqtt://canary:canary@h",
    "canary@h",
  ]) {
    const env = Object.fromEntries(Object.keys(all).map((name) => [name, canary]));
    for (const [name, setting] of Object.entries(all)) {
      if (!("secret" in setting && setting.secret) && !canary.includes("@h")) continue;
      if (!canary.includes("://") && !("secret" in setting && setting.secret)) continue;
      assert.doesNotMatch(JSON.stringify(show(name, setting, env)), /canary/, `${name}=${canary}`);
    }
  }
  assert.deepEqual(show("ACKTOR_API_TOKEN", publisherSettings.ACKTOR_API_TOKEN, { ACKTOR_API_TOKEN_FILE: "/run/t" }), {
    value: "***",
    from: "file",
  });
  // A private key where a public one belongs.
  const keys = publisherSettings.ACKTOR_ACK_PUBLIC_KEYS;
  assert.deepEqual(show("ACKTOR_ACK_PUBLIC_KEYS", keys, { ACKTOR_ACK_PUBLIC_KEYS: "canary" }), {
    value: "***",
    from: "environment",
  });
  assert.deepEqual(show("LOG_LEVEL", publisherSettings.LOG_LEVEL, {}), { value: "info", from: "default" });
  assert.deepEqual(show("NATS_URL", publisherSettings.NATS_URL, {}), { value: null, from: "unset" });
});
