/** Migrations: complete or not at all, once, by the first service, and never backwards. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { OUTBOX_SCHEMA } from "@acktor/publisher/outbox/migrate-outbox";
import { type MigrateResult, migrate, pendingMigrations } from "@acktor/shared/db/migrate";
import { rowsOf, testPool } from "../support/outbox.ts";
import { postgresVersions, testDatabase } from "../support/postgres.ts";

const OUTBOX = new URL("../../services/publisher/src/outbox/migrate-outbox.ts", import.meta.url).href;
const POOL = new URL("../../shared/src/db/pool.ts", import.meta.url).href;

async function folder(t: TestContext, files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), "acktor-migrations-"));
  t.after(() => rm(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(directory, name), text);
  return directory;
}

const kindOf = (result: MigrateResult): string => (result.ok ? "ok" : result.failure.kind);

/** One service process that migrates; resolves with what it applied. */
function migrateInChild(url: string): Promise<string[]> {
  const code = `import { createPool } from ${JSON.stringify(POOL)}; import { migrateOutbox } from ${JSON.stringify(OUTBOX)};
    const pool = createPool({ url: process.argv[1], applicationName: "child" });
    const result = await migrateOutbox(pool); await pool.stop(); console.log(JSON.stringify(result));`;
  const child = spawn(process.execPath, [
    "--import",
    "tsx",
    "--conditions=source",
    "--input-type=module",
    "-e",
    code,
    url,
  ]);
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk));
  child.stderr.on("data", (chunk: Buffer) => (out += chunk));
  return new Promise((resolve, reject) => {
    child.once("close", (status) => {
      const result = status === 0 ? (JSON.parse(out) as MigrateResult) : null;
      if (result?.ok) resolve([...result.applied]);
      else reject(new Error(out));
    });
  });
}

for (const version of postgresVersions()) {
  test(`migrate, PostgreSQL ${version}`, async (t) => {
    const { url } = await testDatabase(t, { version });
    const pool = testPool(t, url);
    const run = (directory: string): Promise<MigrateResult> => migrate(pool, { schema: "demo", directory });
    const one = "create table demo.a (id int);";

    await t.test("what is missing can be asked for, and nothing is made or locked by it", async (s) => {
      const directory = await folder(s, {
        "0001_a.sql": "create table asked.a ();",
        "0002_b.sql": "create table asked.b ();",
      });
      const asked = { schema: "asked", directory };
      const both = ["0001_a.sql", "0002_b.sql"];
      assert.deepEqual(await pendingMigrations(pool, asked), { ok: true, applied: [], pending: both });
      assert.deepEqual(rowsOf(await pool.run("select to_regnamespace('asked')::text there")), [{ there: null }]);
      assert.ok((await migrate(pool, asked)).ok);
      assert.deepEqual(await pendingMigrations(pool, asked), { ok: true, applied: both, pending: [] });
      const older = await pendingMigrations(pool, {
        ...asked,
        directory: await folder(s, { "0001_a.sql": "create table asked.a ();" }),
      });
      assert.equal(older.ok ? "ok" : older.failure.kind, "newer_database");
    });

    // MIGRATE-1
    await t.test("applies what is missing, in order, once", async (s) => {
      const first = await folder(s, { "0001_a.sql": one });
      assert.deepEqual(await run(first), { ok: true, applied: ["0001_a.sql"] });
      assert.deepEqual(await run(first), { ok: true, applied: [] });
      const second = await folder(s, {
        "0001_a.sql": one,
        "0002_b.sql": "alter table demo.a add b int;",
        "0003_c.sql": "alter table demo.a add c int;",
      });
      assert.deepEqual(await run(second), { ok: true, applied: ["0002_b.sql", "0003_c.sql"] });
      await s.test("a database that is newer than the code", async () =>
        assert.equal(kindOf(await run(first)), "newer_database"),
      );
    });

    // MIGRATE-3
    await t.test("a file that changed, a file between, a missing folder: nothing is done", async (s) => {
      const rest = { "0002_b.sql": "alter table demo.a add b int;", "0003_c.sql": "alter table demo.a add c int;" };
      assert.equal(kindOf(await run(await folder(s, { "0001_a.sql": `${one} `, ...rest }))), "changed_file");
      assert.equal(
        kindOf(await run(await folder(s, { "0001_a.sql": one, "0001_b.sql": "", ...rest }))),
        "out_of_order",
      );
      assert.equal(kindOf(await run(await folder(s, { "1_a.sql": one }))), "unreadable");
      assert.equal(kindOf(await run(await folder(s, {}))), "unreadable");
      assert.equal(kindOf(await run("/nowhere")), "unreadable");
      assert.equal(
        kindOf(await run(await folder(s, { "0001_a.sql": one.replaceAll("\n", "\r\n"), ...rest }))),
        "ok",
        "line ends are no change",
      );
    });

    await t.test("a database of a pre-release version is refused, and the fix names what to drop", async () => {
      const aged: readonly [schema: string, name: string, checksum: string][] = [
        ["old_publisher", "0002_guards.sql", "x"],
        ["old_acker", "0002_handlers.sql", "x"],
        ["old_first", "0001_outbox.sql", "bc361719ea7ee9e0d17958ad676e446729d19621b70e7c3d45a6da15b56e1233"],
        ["old_inbox", "0001_inbox.sql", "e9fd33be91096f60051520d68d1fbe1303fd7e6c246d749921b11bd082f8a006"],
      ];
      for (const [schema, name, checksum] of aged) {
        const made = `create schema ${schema}; create table ${schema}.migration (name text, checksum text);
          insert into ${schema}.migration values ('${name}', '${checksum}')`;
        assert.ok((await pool.run(made, [], { simple: true })).ok);
        for (const ask of [migrate, pendingMigrations]) {
          const refused = await ask(pool, { ...OUTBOX_SCHEMA, schema });
          assert.ok(!refused.ok, name);
          assert.equal(refused.failure.kind, "prerelease_database");
          assert.equal(refused.failure.message, "This database was made by a pre-release version of acktor");
          assert.match(refused.failure.fix, new RegExp(`drop schema ${schema} cascade.*DATABASE_URL`));
        }
      }
    });

    // MIGRATE-1
    await t.test("a file that fails leaves nothing of itself, and says where", async (s) => {
      const files = {
        "0001_a.sql": "create table broken.a (id int);",
        "0002_b.sql": "create table broken.b (id int); select 1 / 0;",
      };
      const result = await migrate(pool, { schema: "broken", directory: await folder(s, files) });
      assert.ok(!result.ok && result.failure.kind === "rejected" && result.failure.message.startsWith("0002_b.sql"));
      assert.deepEqual(
        rowsOf(await pool.run("select to_regclass('broken.b') b, (select count(*)::int4 from broken.migration) n")),
        [{ b: null, n: 1 }],
      );
    });

    await t.test("no database: a value, not a throw", async (s) => {
      const away = testPool(s, "postgres://x@127.0.0.1:1/x");
      assert.equal(
        kindOf(await migrate(away, { schema: "demo", directory: await folder(s, { "0001_a.sql": one }) })),
        "unavailable",
      );
    });

    // MIGRATE-2
    await t.test("four services start at once: each file is applied by exactly one", async () => {
      const applied = await Promise.all([1, 2, 3, 4].map(() => migrateInChild(url)));
      const names = applied.flat().sort();
      assert.equal(new Set(names).size, names.length);
      assert.deepEqual(
        rowsOf(await pool.run("select name from publisher.migration order by name")).map(
          (row) => (row as { name: string }).name,
        ),
        names,
      );
    });

    // MIGRATE-4
    await t.test("where nothing is to do, no right to do it is needed", async (s) => {
      const role = `reader_${version}_${process.pid}`;
      rowsOf(await pool.run(`create role ${role} login password 'x'`));
      s.after(async () => {
        await pool.run(`drop owned by ${role}`);
        await pool.run(`drop role ${role}`);
      });
      rowsOf(await pool.run(`grant usage on schema publisher to ${role}`));
      rowsOf(await pool.run(`grant select on publisher.migration to ${role}`));
      const target = new URL(url);
      target.username = role;
      target.password = "x";
      assert.deepEqual(await migrateInChild(target.href), []);
    });
  });
}
