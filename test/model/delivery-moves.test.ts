/** The life of a message: the table of legal moves, the guard in SQL, and what raw SQL can do, held against each other. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { MOVES, STATES } from "@acktor/publisher/outbox/delivery";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import type { MessageState } from "@acktor/publisher/outbox/outbox";
import { INSERT, message, type TestOutbox, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

const isLive = (state: MessageState): boolean => state === "pending" || state === "sent";
const MOVE =
  "update publisher.message_delivery set state = $2, due_at = case when $3 then now() end where message_id = $1";

/** The shortest ways from `pending` to each state: how a test brings a row there by legal moves only. */
function wayTo(state: MessageState): MessageState[] {
  let ways: MessageState[][] = [["pending"]];
  for (;;) {
    const found = ways.find((way) => way.at(-1) === state);
    if (found !== undefined) return found.slice(1);
    ways = ways.flatMap((way) => MOVES.filter((move) => move.from === way.at(-1)).map((move) => [...way, move.to]));
  }
}

async function rowIn({ pool, sql }: TestOutbox, state: MessageState): Promise<string> {
  const m = message();
  assert.ok((await insertMessages(pool, [m], INSERT)).ok);
  for (const step of wayTo(state)) await sql(MOVE, [m.messageId, step, isLive(step)]);
  return m.messageId;
}

test("the guard in SQL lists exactly the moves of the table", async () => {
  const file = new URL("../../services/publisher/migrations/0001_outbox.sql", import.meta.url);
  const text = await readFile(file, "utf8");
  const list = text.slice(
    text.indexOf("create trigger legal_move"),
    text.indexOf("execute function publisher.refuse_move"),
  );
  const inSql = [...list.matchAll(/(\w+)>(\w+)/g)].map((m) => `${m[1]} ${m[2]}`);
  const inTable = MOVES.filter((move) => move.from !== move.to).map((move) => `${move.from} ${move.to}`);
  assert.deepEqual(inSql.sort(), inTable.sort());
});

// DELIVERY-1
test("nothing leaves acknowledged, and every state can be reached", () => {
  assert.deepEqual(
    MOVES.filter((move) => move.from === "acknowledged"),
    [],
  );
  for (const state of STATES) assert.ok(wayTo(state).length <= 2, state);
});

for (const version of postgresVersions()) {
  // OUTBOX_ROW-1, OUTBOX_ROW-2
  test(`every pair of states by raw SQL, PostgreSQL ${version}`, async (t) => {
    const db = await testOutbox(t, version);
    let refused = 0;
    for (const from of STATES) {
      for (const to of STATES) {
        const id = await rowIn(db, from);
        const result = await db.pool.run(MOVE, [id, to, isLive(to)]);
        const isLegal = from === to || MOVES.some((move) => move.from === from && move.to === to);
        assert.equal(result.ok, isLegal, `${from} -> ${to}`);
        if (result.ok) continue;
        refused++;
        assert.deepEqual([result.failure.code, result.failure.constraint], ["23514", "legal_move"]);
        assert.deepEqual(await db.sql("select state from publisher.message_delivery where message_id = $1", [id]), [
          { state: from },
        ]);
      }
    }
    assert.equal(refused, 9, "5 x 5 pairs, 5 of them stay, 11 are legal");
  });

  // OUTBOX_ROW-3
  test(`what raw SQL cannot store, PostgreSQL ${version}`, async (t) => {
    const { sql, refusal } = await testOutbox(t, version);
    const columns = {
      message_id: "publisher.uuid_v7()",
      topic: "'a'",
      payload: "'p'",
      checksum: `'sha256:${"0".repeat(64)}'`,
    };
    const insert = (over: Record<string, string>): string => {
      const row = { ...columns, ...over };
      return `insert into publisher.message_delivery (${Object.keys(row)}) values (${Object.values(row)})`;
    };
    await sql(insert({}));
    const cases: [Record<string, string>, string, RegExp][] = [
      [{ state: "'sent'" }, "born_pending", /born pending/],
      [{ state: "'acknowledged'", due_at: "null" }, "born_pending", /born pending/],
      [{ attempts: "1" }, "born_pending", /./],
      [{ due_at: "null" }, "due_while_live", /./],
      [{ topic: "''" }, "content_is_valid", /^topic is empty/],
      [{ topic: "'$SYS'" }, "content_is_valid", /^topic starts with \$/],
      [{ topic: "'a/+/b'" }, "content_is_valid", /^topic contains a wildcard/],
      [{ topic: "'a/#'" }, "content_is_valid", /^topic contains a wildcard/],
      [{ topic: "E'a\\nb'" }, "content_is_valid", /^topic contains a control/],
      [{ topic: "E'\\u0080'" }, "content_is_valid", /^topic contains a control/],
      [{ topic: "repeat('x', 65536)" }, "content_is_valid", /^topic is longer/],
      [{ topic: "repeat('x/', 100)" }, "content_is_valid", /^topic has more than 100 levels/],
      [{ topic: "'delivery/ack/x'" }, "topic_not_reserved", /keeps for itself/],
      [{ topic: "'delivery/acker'" }, "topic_not_reserved", /keeps for itself/],
      [{ payload: "repeat('x', 262145)" }, "content_is_valid", /^payload is larger/],
      [{ payload: "repeat('A', 349528)", content_encoding: "'base64'" }, "content_is_valid", /^payload is larger/],
      [{ content_encoding: "'latin1'" }, "content_is_valid", /^content_encoding/],
      [{ qos: "3" }, "content_is_valid", /^qos/],
      [{ qos: "0", requires_ack: "false" }, "content_is_valid", /^requires_ack/],
      [{ checksum: "'md5:x'" }, "content_is_valid", /^checksum/],
      [{ ordering_key: "''" }, "content_is_valid", /^ordering_key/],
      [{ ordering_key: "'k'", deliver_at: "now()" }, "content_is_valid", /^deliver_at/],
      [{ ttl_ms: "0" }, "content_is_valid", /^ttl_ms/],
      [{ max_retries: "-1" }, "content_is_valid", /^max_retries/],
      [{ message_id: "gen_random_uuid()" }, "content_is_valid", /^message_id is not a UUIDv7/],
    ];
    for (const [over, constraint, text] of cases) {
      const failure = await refusal(insert(over));
      assert.deepEqual(
        [failure.code, failure.constraint],
        ["23514", constraint],
        `${JSON.stringify(over).slice(0, 80)}: ${failure.message}`,
      );
      assert.match(failure.message, text);
    }
    await sql(insert({ payload: "repeat('A', 349526) || '=='", content_encoding: "'base64'" }));
    await sql(insert({ topic: "'delivery/acknowledge'" }));
    const update = await refusal("update publisher.message_delivery set topic = 'a/#'");
    assert.equal(update.constraint, "content_is_valid", "an update neither");
    const parked = await refusal(
      "update publisher.message_delivery set parked = true, due_at = null, state = 'failed'",
    );
    assert.equal(parked.constraint, "parked_while_live");
    const undue = await refusal("update publisher.message_delivery set state = 'failed'");
    assert.equal(undue.constraint, "due_while_live");
  });
}
