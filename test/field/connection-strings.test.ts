/**
 * DATABASE_URL as it is handed out, against real servers: hosts that are tried in turn, sockets, what cannot work is named.
 *
 * Quick: one server, no services.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { startPublisher } from "@acktor/publisher/app";
import { createPool, type DbResult } from "@acktor/shared/db/pool";
import { rowsOf } from "../support/outbox.ts";
import { startPgBouncer } from "../support/pgbouncer.ts";
import { testDatabase } from "../support/postgres.ts";

interface Parts {
  readonly login: string;
  readonly port: string;
  readonly name: string;
  readonly user: string;
  readonly password: string;
}

async function parts(t: TestContext): Promise<Parts> {
  const { url } = await testDatabase(t);
  const { username: user, password, port, pathname } = new URL(url);
  return { login: `${user}:${password}`, port, name: pathname.slice(1), user, password };
}

async function ask(t: TestContext, url: string, deadlineMs = 5_000): Promise<DbResult<{ name: string }>> {
  const pool = createPool({ url, size: 1, applicationName: "acktor-test", deadlineMs });
  t.after(() => pool.stop());
  return pool.run<{ name: string }>("select current_database() as name, current_setting('search_path') as path");
}

// CONNECTOR-1
test("of several hosts the next one is tried: refused, silent, or without PostgreSQL", async (t) => {
  const { login, port, name } = await parts(t);
  const silent = net.createServer(() => undefined);
  const other = net.createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  for (const server of [silent, other]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
  }
  const [quiet, odd] = [silent, other].map((server) => (server.address() as net.AddressInfo).port);
  for (const first of ["127.0.0.1:1", `127.0.0.1:${quiet}`, `127.0.0.1:${odd}`, "no-such-host.invalid:5432"]) {
    const before = performance.now();
    const answer = await ask(t, `postgres://${login}@${first},127.0.0.1:${port}/${name}`);
    assert.equal(rowsOf(answer)[0]?.name, name, first);
    assert.ok(performance.now() - before < 4_000, first);
  }
});

// CONNECTOR-2
test("a server that cannot be written to is passed over; when all are, that is the failure", async (t) => {
  const { login, port, name } = await parts(t);
  const writes = await ask(t, `postgres://${login}@127.0.0.1:${port},127.0.0.1:${port}/${name}`);
  assert.equal(writes.ok, true);
  const pool = createPool({ url: `postgres://${login}@127.0.0.1:${port}/${name}`, size: 1, applicationName: "owner" });
  t.after(() => pool.stop());
  rowsOf(await pool.run(`alter database ${name} set default_transaction_read_only = on`, [], { simple: true }));
  const refused = await ask(t, `postgres://${login}@127.0.0.1:${port}/${name}?target_session_attrs=read-write`);
  assert.equal(!refused.ok && refused.failure.code, "NO_PRIMARY");
  assert.match(!refused.ok ? refused.failure.message : "", /is read-only/);
  assert.equal((await ask(t, `postgres://${login}@127.0.0.1:${port}/${name}?target_session_attrs=primary`)).ok, true);
});

test("keyword=value text, a schema as search_path, and a Unix socket", async (t) => {
  const { login, port, name, user, password } = await parts(t);
  const words = await ask(t, `host=127.0.0.1 port=${port} dbname=${name} user=${user} password='${password}'`);
  assert.equal(rowsOf(words)[0]?.name, name);
  const schema = await ask(t, `postgres://${login}@127.0.0.1:${port}/${name}?schema=app,public&pool_timeout=3`);
  assert.deepEqual(rowsOf(schema), [{ name, path: '"app", "public"' }]);
  const folder = mkdtempSync(path.join(os.tmpdir(), "ak-"));
  chmodSync(folder, 0o777);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const settings = { unix_socket_dir: folder, unix_socket_mode: "0777" };
  const bouncer = await startPgBouncer(t, `postgres://${login}@127.0.0.1:${port}/${name}`, {
    mode: "session",
    settings,
  });
  if (bouncer === null) return;
  const socket = await ask(
    t,
    `postgres://${login}@${encodeURIComponent(folder)}:${bouncer.port}/${name}?sslmode=require`,
  );
  assert.equal(rowsOf(socket)[0]?.name, name);
});

test("a server without TLS is no silent downgrade: sslmode=require fails by name, prefer continues without", async (t) => {
  const { login, port, name } = await parts(t);
  const refused = await ask(t, `postgres://${login}@127.0.0.1:${port}/${name}?sslmode=require`);
  assert.equal(!refused.ok && refused.failure.code, "NO_TLS");
  assert.equal((await ask(t, `postgres://${login}@127.0.0.1:${port}/${name}?sslmode=prefer`)).ok, true);
});

test("a service with a URL that it cannot use does not start, and names the part without the secret", async () => {
  const faulty: Readonly<Record<string, RegExp>> = {
    "postgres://u:hushhush%zz@db/d": /DATABASE_URL has a % in its password .*%25/,
    "postgres://u:hushhush@db/d?channel_binding=require": /channel_binding=require.*sslmode=verify-full/,
    "postgres://u:hushhush@db/d?sslmode=verify-full&sslrootcert=/none.pem": /sslrootcert .*ENOENT/,
    "postgres://u:hushhush@db/d?service=x": /service file/,
  };
  for (const [url, why] of Object.entries(faulty)) {
    const started = await startPublisher({ DATABASE_URL: url, MQTT_URL: "mqtt://127.0.0.1:1" });
    assert.ok(!started.ok);
    assert.match(started.faults.join("\n"), why);
    assert.doesNotMatch(started.faults.join("\n"), /hushhush/);
  }
});
