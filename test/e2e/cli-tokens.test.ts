/** `acktor token`: made, shown once, used with the three refusals, listed, revoked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failureOutput, revokedOutput, tokenOutput, tokensOutput } from "@acktor/cli/outputs";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { readOutput, runCli } from "../support/cli.ts";
import { setStage } from "../support/pair.ts";
import { until } from "../support/until.ts";

test("token create, list and revoke: what a team may do, and for how long", { timeout: TEST_LIMIT_MS }, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const env = { ACKTOR_URL: publisher.url, USER: "ana" };
  const acktor = (...args: string[]) => runCli(t, args, { env });

  const made = await acktor(
    "token",
    "create",
    "team-a",
    "--scope",
    "send,read",
    "--topics",
    "e2e/a/#",
    "--expires",
    "90d",
  );
  assert.equal(made.exit, 0, made.err);
  const token = made.out.trim();
  assert.match(
    made.out,
    /^acktor_[A-Za-z0-9_-]{43}\n$/,
    "PRINT_TOKEN-1: only the token, so that it can go into a file",
  );
  assert.match(made.err, /team-a.*send,read.*e2e\/a\/#/s);
  assert.ok(!made.err.includes(token));

  const asTeam = (...args: string[]) => runCli(t, args, { env: { ...env, ACKTOR_API_TOKEN: token } });
  const sent = await asTeam("send", "e2e/a/1", "hello", "--json");
  assert.equal(sent.exit, 0, sent.err);
  const refusals: [string[], string][] = [
    [["send", "e2e/b/1", "hello"], "forbidden"],
    [["messages", "list", "--topic", "e2e/b/1"], "forbidden"],
    [["breaker", "open"], "forbidden"],
    [["token", "create", "mine", "--scope", "admin"], "forbidden"],
    [["status"], "forbidden"],
  ];
  for (const [args, code] of refusals) {
    const refused = await asTeam(...args, "--json");
    assert.deepEqual(
      [refused.exit, failureOutput.parse(JSON.parse(refused.err)).error.code],
      [2, code],
      args.join(" "),
    );
  }
  const own = readOutput(
    tokenOutput,
    await acktor(
      "token",
      "create",
      "ops",
      "--scope",
      "operate",
      "--write",
      "x",
      "--read",
      "#",
      "--rate",
      "5",
      "--most-waiting",
      "7",
      "--json",
    ),
  );
  const { write, read } = own.topics;
  assert.deepEqual(
    [write, read, own.requests_per_second, own.most_waiting, own.expires_at],
    [["x"], ["#"], 5, 7, null],
  );

  const again = await acktor("token", "create", "team-a", "--scope", "send", "--json");
  assert.equal(failureOutput.parse(JSON.parse(again.err)).error.code, "conflict");
  const revoked = readOutput(revokedOutput, await acktor("token", "revoke", "team-a", "--json"));
  assert.notEqual(revoked.revoked_at, null);
  await until(async () => (await asTeam("messages", "list")).exit === 2, 5_000, "the token to be refused");
  const { principals } = readOutput(tokensOutput, await acktor("token", "list", "--json"));
  assert.deepEqual(
    principals.map(({ name, revoked_at }) => [name, revoked_at !== null]),
    [
      ["ops", false],
      ["team-a", true],
    ],
  );
  const table = await acktor("token", "list", "--lang", "ja");
  assert.match(table.out, /ops.*有効.*team-a.*失効/s);

  const audit = await stage.sql(
    "select who, said, action from publisher.operator_action where action ~ '^principal' order by action_id",
  );
  assert.deepEqual(audit, [
    { who: "local", said: "ana", action: "principal.create" },
    { who: "local", said: "ana", action: "principal.create" },
    { who: "local", said: "ana", action: "principal.revoke" },
  ]);
});

test("arguments of token that cannot be are named before anything is asked", async (t) => {
  const bad: [string[], RegExp][] = [
    [["create", "a"], /--scope/],
    [["create", "--scope", "send"], /name/],
    [["create", "a", "--scope", "root"], /send, read, operate, admin/],
    [["create", "a", "--scope", ""], /send, read, operate, admin/],
    [["create", "a", "--scope", "send", "--rate", "0"], /from 1 to 1000000/],
    [["create", "a", "--scope", "send", "--expires", "soon"], /duration/],
    [["revoke"], /name/],
  ];
  for (const [args, why] of bad) {
    const { exit, err } = await runCli(t, ["token", ...args], { env: { ACKTOR_URL: "http://127.0.0.1:1" } });
    assert.equal(exit, 2, args.join(" "));
    assert.match(err, why);
  }
});
