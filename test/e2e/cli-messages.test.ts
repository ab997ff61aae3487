/** `acktor send`, `messages`, `dead-letters`, as processes against a real pair. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changeOutput,
  deadLettersOutput,
  failureOutput,
  messageOutput,
  messagesOutput,
  sendOutput,
} from "@acktor/cli/outputs";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { readOutput, runCli } from "../support/cli.ts";
import { anyTopic, setStage } from "../support/pair.ts";

const options = { timeout: TEST_LIMIT_MS };

test("send: accepted, acknowledged, shown; also any bytes from standard input", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
  const env = { ACKTOR_URL: publisher.url };
  const topic = anyTopic();

  const text = await runCli(t, ["send", topic, "21.5", "--wait", "acked"], { env });
  assert.equal(text.exit, 0, text.err);
  assert.match(text.out, /^accepted [0-9a-f-]{36}\nacknowledged 1, failed 0, expired 0, open 0/);

  const many = await runCli(t, ["send", topic, "x", "--count", "2500", "--wait", "acked", "--json"], { env });
  const sent = readOutput(sendOutput, many);
  assert.deepEqual([many.exit, sent.accepted, new Set(sent.message_ids).size], [0, 2_500, 2_500]);
  assert.deepEqual({ ...sent.waited, seconds: 0 }, { acknowledged: 2_500, failed: 0, expired: 0, open: 0, seconds: 0 });
  const [row] = await stage.sql<{ n: number }>(
    "select count(*)::int4 n from publisher.message_delivery where topic = $1 and state = 'acknowledged'",
    [topic],
  );
  assert.equal(row?.n, 2_501);

  const bytes = Buffer.from([0xff, 0x00, 0x1b, 0x5b]);
  for (const input of ["käse\n", bytes]) {
    const piped = await runCli(t, ["send", topic, "-", "--wait", "acked", "--json"], { env, input });
    const id = readOutput(sendOutput, piped).message_ids[0] ?? "";
    const shown = readOutput(messageOutput, await runCli(t, ["messages", "show", id, "--json"], { env }));
    const content = Buffer.from(shown.payload, shown.content_encoding === "utf8" ? "utf8" : "base64");
    assert.deepEqual(content, Buffer.from(input));
    assert.deepEqual([shown.state, shown.attempts.length, shown.acks.length], ["acknowledged", 1, 1]);
    const table = await runCli(t, ["messages", "show", id, "--lang", "ja"], { env });
    assert.match(table.out, /│ state +│ acknowledged/);
    assert.match(table.out, /確認済みの時刻/);
  }
  const large = await runCli(t, ["send", topic, "-"], { env, input: Buffer.alloc(262_145, "x") });
  assert.deepEqual([large.exit, large.out], [2, ""]);
  assert.match(large.err, /262,144/);
});

test("send: options reach the row, a rate is kept, a key makes one of two", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const env = { ACKTOR_URL: publisher.url };
  const topic = anyTopic();
  const args = ["--ttl", "90s", "--qos", "0", "--ordering-key", "k", "--content-type", "text/x", "--max-retries", "7"];
  const keyed = ["send", topic, "x", ...args, "--retain", "--idempotency-key", "once", "--json"];
  const [first, second] = [await runCli(t, keyed, { env }), await runCli(t, keyed, { env })];
  const id = readOutput(sendOutput, first).message_ids[0];
  assert.equal(id, readOutput(sendOutput, second).message_ids[0]);
  const rows = await stage.sql(
    "select message_id::text id, ttl_ms::int4 ttl, qos, ordering_key k, content_type type, max_retries tries, retain from publisher.message_delivery",
  );
  assert.deepEqual(rows, [{ id, ttl: 90_000, qos: 0, k: "k", type: "text/x", tries: 7, retain: true }]);

  for (const hold of ["15m", "0"]) await runCli(t, ["send", `${topic}/held`, "x", "--hold", hold], { env });
  const held = await stage.sql(
    "select hold_ms::int4 hold from publisher.message_delivery where topic like '%/held' order by seq",
  );
  assert.deepEqual(held, [{ hold: 900_000 }, { hold: null }]);

  const paced = readOutput(
    sendOutput,
    await runCli(t, ["send", topic, "x", "--count", "21", "--rate", "20", "--json"], { env }),
  );
  assert.equal(paced.accepted, 21);
  assert.ok(paced.seconds >= 0.95, `21 messages at 20/s took ${paced.seconds} s`);

  const listed = await runCli(t, ["messages", "list", "--topic", topic, "--limit", "5", "--json"], { env });
  const page = readOutput(messagesOutput, listed);
  assert.equal(page.messages.length, 5);
  const next = ["messages", "list", "--topic", topic, "--before", page.next_before ?? "", "--state", "pending"];
  const older = readOutput(messagesOutput, await runCli(t, [...next, "--json"], { env }));
  assert.ok(older.messages.every((message) => message.message_id < (page.messages.at(-1)?.message_id ?? "")));
  assert.match((await runCli(t, next, { env })).out, new RegExp(topic));
});

test("send --wait: 4 at the timeout, 1 when it fails; what is refused names its fault", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const env = { ACKTOR_URL: publisher.url };
  const topic = anyTopic();
  const late = await runCli(t, ["send", topic, "x", "--wait", "acked", "--timeout", "300ms", "--json"], { env });
  assert.deepEqual([late.exit, readOutput(sendOutput, late).waited?.open], [4, 1]);
  assert.match(late.err, /not acknowledged yet/);
  const dying = ["send", topic, "x", "--ttl", "1s", "--wait", "acked", "--json"];
  const expired = await runCli(t, dying, { env });
  assert.deepEqual([expired.exit, readOutput(sendOutput, expired).waited?.expired], [1, 1]);

  const refused = await runCli(t, ["send", "a/#", "x", "--json"], { env });
  assert.deepEqual([refused.exit, refused.out], [2, ""]);
  assert.equal(failureOutput.parse(JSON.parse(refused.err)).error.code, "invalid_topic");
  const unknown = await runCli(t, ["messages", "show", "01890a5d-ac96-774b-bcce-b302099a8057", "--json"], { env });
  assert.deepEqual([unknown.exit, unknown.out], [1, ""]);
  assert.equal(failureOutput.parse(JSON.parse(unknown.err)).error.code, "not_found");
});

test("CLI_SEND-2: at the high-water mark send waits within its timeout, then gives up", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher({ ACKTOR_HIGH_WATER: "5" });
  const env = { ACKTOR_URL: publisher.url };
  const topic = anyTopic();
  assert.equal((await runCli(t, ["send", topic, "x", "--count", "5"], { env })).exit, 0);
  const full = await runCli(t, ["send", topic, "x", "--timeout", "1500ms"], { env });
  assert.equal(full.exit, 4, full.err);
  assert.equal(full.out, "");
  await stage.acker();
  const goes = await runCli(t, ["send", topic, "x", "--timeout", "20s", "--wait", "acked"], { env });
  assert.equal(goes.exit, 0, goes.err);
});

test(
  "CONFIRM-1: dead letters are counted, shown, replayed, discarded; nothing changes without a confirmation",
  options,
  async (t) => {
    const stage = await setStage(t, { broker: AEDES });
    const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
    const env = { ACKTOR_URL: publisher.url, USER: "ana" };
    const topic = `quiet/${anyTopic()}`;
    assert.match((await runCli(t, ["dead-letters", "list"], { env })).out, /no dead letters/);
    const dying = ["send", topic, "x", "--count", "3", "--ttl", "1s", "--wait", "acked"];
    assert.equal((await runCli(t, dying, { env })).exit, 1);
    const groups = readOutput(deadLettersOutput, await runCli(t, ["dead-letters", "list", "--json"], { env })).groups;
    assert.deepEqual(
      groups.map(({ reason, state, count }) => [reason, state, count]),
      [["expired", "expired", 3]],
    );
    const [newest] = readOutput(
      messagesOutput,
      await runCli(t, ["dead-letters", "show", "--reason", "expired", "--json"], { env }),
    ).messages;
    assert.ok(newest);

    for (const verb of ["replay", "discard"]) {
      const unasked = await runCli(t, ["dead-letters", verb], { env, input: "y\n" });
      assert.deepEqual([unasked.exit, unasked.out], [2, ""], verb);
      const dry = await runCli(t, ["dead-letters", verb, "--topic", topic, "--dry-run", "--json"], { env });
      assert.deepEqual([dry.exit, readOutput(changeOutput, dry).matched], [0, 3], verb);
    }
    const untouched = await stage.sql(
      "select 1 from publisher.message_delivery where state = 'expired' and discarded_at is null",
    );
    assert.equal(untouched.length, 3);
    assert.equal((await stage.sql("select 1 from publisher.operator_action")).length, 0);

    const discard = ["dead-letters", "discard", "--reason", "expired", "--limit", "2", "--yes", "--json"];
    const discarded = readOutput(changeOutput, await runCli(t, discard, { env }));
    assert.deepEqual([discarded.matched, discarded["discarded"]], [2, 2]);
    const left = readOutput(deadLettersOutput, await runCli(t, ["dead-letters", "list", "--json"], { env }));
    assert.deepEqual(
      left.groups.map(({ count }) => count),
      [1],
    );
    const replayed = await runCli(t, ["dead-letters", "replay", "--yes"], { env });
    assert.deepEqual([replayed.exit, replayed.out], [0, "replayed 1 messages\n"]);
    const audit = await stage.sql(
      "select who, said, action, messages::int4 from publisher.operator_action order by action_id",
    );
    assert.deepEqual(audit, [
      { who: "local", said: "ana", action: "discard", messages: 2 },
      { who: "local", said: "ana", action: "replay", messages: 1 },
    ]);
  },
);
