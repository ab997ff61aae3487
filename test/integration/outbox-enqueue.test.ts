/** publisher.enqueue: a row in the caller's own transaction, from any language. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { configureOutbox } from "@acktor/publisher/outbox/configure-outbox";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import postgres from "postgres";
import { claim, given, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const SETTINGS = {
  ackPrefix: "delivery/ack",
  presencePrefix: "delivery/acker",
  defaultTtlMs: null,
  defaultMaxRetries: null,
  defaultHoldMs: null,
  retentionMs: 7 * 86_400_000,
  destinationLevels: 0,
};

for (const version of postgresVersions()) {
  test(`enqueue, PostgreSQL ${version}`, async (t) => {
    const { pool, sql, refusal, url } = await testOutbox(t, version);
    const enqueue = async (args: string): Promise<string> =>
      (await sql<{ id: string }>(`select publisher.enqueue(${args}) id`))[0]?.id ?? "";

    await t.test("by position or by name; the row is like any other", async () => {
      const plain = given(await getMessage(pool, await enqueue("'a/b', 'grüße'")));
      assert.deepEqual(
        [plain?.state, plain?.topic, plain?.payload, plain?.checksum, plain?.qos, plain?.requires_ack],
        ["pending", "a/b", "grüße", checksumOf("grüße", "utf8"), 1, true],
      );
      const id =
        await enqueue(`topic => 'x', content => 'aGk=', content_encoding => 'base64', content_type => 't', qos => 2, retain => true,
        requires_ack => false, ttl_seconds => 1.5, max_retries => 4, ordering_key => 'k', traceparent => 'tp'`);
      const row = given(await getMessage(pool, id));
      assert.deepEqual(
        [
          row?.content_encoding,
          row?.content_type,
          row?.qos,
          row?.retain,
          row?.requires_ack,
          row?.ttl_seconds,
          row?.max_retries,
          row?.ordering_key,
          row?.traceparent,
        ],
        ["base64", "t", 2, true, false, 1.5, 4, "k", "tp"],
      );
      assert.equal(row?.checksum, checksumOf("aGk=", "base64"));
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.ok(
        Math.abs(Number.parseInt(id.replace("-", "").slice(0, 12), 16) - Date.now()) < 60_000,
        "its id tells the time",
      );
      assert.ok(given(await claimDue(pool, claim())).messages.some((m) => m.messageId === id));
    });

    await t.test("what the publisher configured holds here too", async () => {
      const first = given(
        await configureOutbox(pool, {
          ...SETTINGS,
          ackPrefix: "mine/ack",
          defaultTtlMs: 3_600_000,
          defaultMaxRetries: 5,
          defaultHoldMs: 900_000,
        }),
      );
      const row = given(await getMessage(pool, await enqueue("'delivery/ack/x', 'now free'")));
      assert.deepEqual([row?.ttl_seconds, row?.max_retries], [3_600, 5]);
      const holds = ["", ", hold_seconds => 60", ", hold_seconds => 0", ", requires_ack => false", ", qos => 0"];
      const held = await Promise.all(holds.map((more) => enqueue(`'a', ''${more}`)));
      const rows = await Promise.all(held.map((id) => getMessage(pool, id)));
      assert.deepEqual(
        rows.map((found) => given(found)?.hold_seconds ?? null),
        [900, 60, 0, null, null],
      );
      for (const wrong of ["-1", "2678401", "60, qos => 0", "60, requires_ack => false", "'NaN'"]) {
        const { code, message } = await refusal(`select publisher.enqueue('a', '', hold_seconds => ${wrong})`);
        assert.deepEqual([code, message.startsWith("hold_seconds ")], ["22023", true], wrong);
      }
      assert.equal((await refusal("select publisher.enqueue('mine/ack/x', '')")).code, "22023");
      assert.equal((await refusal("select publisher.enqueue('a', '', ttl_seconds => 8 * 86400)")).code, "22023");
      assert.equal(
        (await refusal("select publisher.enqueue('a', '', deliver_at => now() + interval '8 days')")).code,
        "22023",
      );
      assert.equal(given(await configureOutbox(pool, SETTINGS)).outboxId, first.outboxId);
      assert.equal((await refusal("select publisher.enqueue('delivery/ack', '')")).code, "22023");
    });

    await t.test("faults name their parameter", async () => {
      const huge = "repeat('x', 262145)";
      const cases: [string, string][] = [
        ["null, ''", "topic"],
        ["'', ''", "topic"],
        ["'$SYS/x', ''", "topic"],
        ["'a/+', ''", "topic"],
        ["'a/#', ''", "topic"],
        ["E'a\\u0007b', ''", "topic"],
        ["E'a\\u0085b', ''", "topic"],
        ["repeat('a', 65536), ''", "topic"],
        ["repeat('a/', 100), ''", "topic"],
        ["'delivery/ack/1', ''", "topic"],
        ["'delivery/acker/1', ''", "topic"],
        ["'a', null", "content"],
        [`'a', ${huge}`, "content"],
        ["'a', 'a', 'utf16'", "content_encoding"],
        ["'a', 'not base64!', 'base64'", "content"],
        ["'a', E'aGk=\\n', 'base64'", "content"],
        ["'a', encode(repeat('x', 262145)::bytea, 'base64'), 'base64'", "content"],
        ["'a', '', qos => 3", "qos"],
        ["'a', '', qos => null", "qos"],
        ["'a', '', qos => 0, requires_ack => false", "requires_ack"],
        ["'a', '', ordering_key => ''", "ordering_key"],
        ["'a', '', ordering_key => 'k', deliver_at => now()", "deliver_at"],
        ["'a', '', max_retries => -1", "max_retries"],
        ["'a', '', ttl_seconds => 0", "ttl_seconds"],
        ["'a', '', ttl_seconds => -1", "ttl_seconds"],
        ["'a', '', ttl_seconds => 'NaN'", "ttl_seconds"],
        ["'a', '', fence => '1:1'", "fence"],
      ];
      for (const [args, parameter] of cases) {
        const { code, message } = await refusal(`select publisher.enqueue(${args})`);
        assert.equal(code, "22023", args);
        assert.ok(message.startsWith(`${parameter} `), `${args}: ${message}`);
      }
      assert.ok(await enqueue("repeat('a', 65535), repeat('x', 262144)"), "the largest that is allowed");
      assert.ok(await enqueue("'a', translate(encode(repeat('x', 262144)::bytea, 'base64'), E'\\n', ''), 'base64'"));
      assert.ok(await enqueue("repeat('a/', 99), ''"));
    });

    await t.test("rolled back with the caller's transaction, committed with it", async (s) => {
      const own = postgres(url, { max: 1, onnotice: () => undefined });
      s.after(() => own.end());
      await own`create table business (id int primary key)`;
      await own`begin`;
      await own`insert into business values (1)`;
      await own`select publisher.enqueue('tx', 'rolled back')`;
      await own`rollback`;
      await own`begin`;
      await own`insert into business values (2)`;
      await own`select publisher.enqueue('tx', 'committed')`;
      assert.deepEqual(
        await sql("select payload from publisher.message_delivery where topic = 'tx'"),
        [],
        "not seen before the commit",
      );
      await own`commit`;
      assert.deepEqual(await sql("select payload from publisher.message_delivery where topic = 'tx'"), [
        { payload: "committed" },
      ]);
    });

    await t.test("a backend that dies in a transaction: a ghost row without the fence, none with it", async (s) => {
      const next = postgres(url, { max: 1, onnotice: () => undefined });
      s.after(() => next.end({ timeout: 1 }));
      /** As a driver runs it that reconnects unseen: what follows the loss runs on the next connection, outside. */
      const transaction = async (topic: string, fenced: boolean): Promise<void> => {
        const first = postgres(url, { max: 1, onnotice: () => undefined });
        await first`begin`;
        const [start] = await first`select pg_backend_pid() pid, publisher.fence() fence`;
        const pid = start?.["pid"] as number;
        await sql("select pg_terminate_backend($1)", [pid]);
        await until(async () => (await sql("select from pg_stat_activity where pid = $1", [pid])).length === 0, 5_000);
        const fence = fenced ? (start?.["fence"] as string) : null;
        const rest = next`select publisher.enqueue(${topic}, '', fence => ${fence})`;
        if (fenced) await assert.rejects(rest, { code: "22023" });
        else await rest;
        await first.end({ timeout: 1 });
      };
      for (let i = 0; i < 5; i++) {
        await transaction("ghost", false);
        await transaction("fenced", true);
      }
      assert.deepEqual(
        await sql(
          "select topic, count(*)::int4 n from publisher.message_delivery where topic in ('ghost', 'fenced') group by 1",
        ),
        [{ topic: "ghost", n: 5 }],
      );
      await next`begin`;
      const [start] = await next`select publisher.fence() fence`;
      await next`select publisher.enqueue('fenced', '', fence => ${start?.["fence"] as string})`;
      await next`commit`;
      assert.equal((await sql("select from publisher.message_delivery where topic = 'fenced'")).length, 1);
    });

    await t.test("an ordinary role needs only its grants", async (s) => {
      const role = `app_${version}_${Date.now()}`;
      await sql(`create role ${role} login password 'x'`);
      s.after(() => sql(`drop owned by ${role}`).then(() => sql(`drop role ${role}`)));
      await sql(`grant usage on schema publisher to ${role}`);
      await sql(`grant execute on function publisher.enqueue to ${role}`);
      const target = new URL(url);
      target.username = role;
      target.password = "x";
      const own = postgres(target.href, { max: 1 });
      const [row] = await own`select publisher.enqueue('role', 'x') id`;
      await own.end();
      assert.ok(given(await getMessage(pool, row?.["id"] as string)));
    });
  });
}
