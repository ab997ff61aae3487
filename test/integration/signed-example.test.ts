/** The example of docs/reference/control-plane.md signs what the code signs, and what it signs is obeyed. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { busKey, open, seal } from "@acktor/shared/seal/seal";
import { cleanUp } from "../support/cleanup.ts";
import { testFolder } from "../support/compose-certificates.ts";
import { testInstance } from "../support/control.ts";
import { environment } from "../support/processes.ts";

const SECRET = "a-secret-of-16-or-more";
const PAGE = readFileSync(path.join(import.meta.dirname, "../../docs/reference/control-plane.md"), "utf8");

/** `sign.py`, as the page has it. */
function signer(t: TestContext): ((subject: string, body: string, env?: Record<string, string>) => string) | null {
  if (spawnSync("python3", ["--version"]).status !== 0) {
    t.skip("python3 is not installed");
    return null;
  }
  const [, code] = /<!-- sign.py -->\s+```python\n(.*?)```/s.exec(PAGE) ?? [];
  assert.ok(code !== undefined);
  const file = path.join(testFolder(t), "sign.py");
  writeFileSync(file, code);
  return (subject, body, env = {}) =>
    execFileSync("python3", [file, subject, body], {
      encoding: "utf8",
      env: environment({ ACKTOR_NATS_SECRET: SECRET, ...env }),
    });
}

test("the page's program signs as the code does, and the page's MAC is the one of its example", (t) => {
  const sign = signer(t);
  if (sign === null) return;
  const [TIME, NONCE] = ["1764500000000", "0123456789abcdef0123456789abcdef"];
  for (const [subject, body] of [
    ["acktor.v1.cmd.acker.acker-1.drain", '{"v":1,"who":"ana"}'],
    ["acktor.v1.enqueue", '{"topic":"data/ü","content":"\\"quoted\\" 🐛\\n"}'],
    ["acktor.v1.enqueue", ""],
  ] as const) {
    const ours = seal(busKey(SECRET), subject, body, Number(TIME), NONCE);
    assert.deepEqual(JSON.parse(sign(subject, body, { TIME, NONCE })), JSON.parse(ours));
    if (subject.endsWith("drain")) assert.ok(PAGE.includes((JSON.parse(ours) as { mac: string }).mac));
  }
  const token = { ACKTOR_NATS_SECRET: "", ACKTOR_API_TOKEN: SECRET };
  assert.ok(open(busKey(SECRET), "a", sign("a", "b", token), Date.now()).ok, "by the token where there is no secret");
});

test("a command that the page's program signed is obeyed, once", async (t) => {
  const sign = signer(t);
  if (sign === null) return;
  const bus = new LocalBus();
  const acker = testInstance(bus, "acker-1", { service: "acker", secret: SECRET });
  cleanUp(t, () => acker.stop());
  const subject = "acktor.v1.cmd.acker.acker-1.drain";
  const text = sign(subject, '{"v":1,"who":"ana"}');
  for (let i = 0; i < 2; i++) await bus.request(subject, text, 5_000);
  assert.deepEqual(acker.obeyed, ["drain"]);
  assert.deepEqual(
    acker.records.map(({ who, outcome }) => `${who} ${outcome}`),
    ["ana done", "stranger unauthorized"],
  );
});
