/** PostgreSQL over TLS: with a CA the server has to prove who it is, by name or by address. */
import assert from "node:assert/strict";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { startPostgres } from "@acktor/embedded/postgres";
import { SILENT } from "@acktor/embedded/progress";
import { createPool, type DbResult } from "@acktor/shared/db/pool";
import { cleanUp } from "../support/cleanup.ts";
import { testAuthority, testFolder } from "../support/compose-certificates.ts";
import { anyPort } from "../support/ports.ts";

async function ask(t: TestContext, url: URL, host: string, ca: string): Promise<DbResult<{ ssl: boolean }>> {
  const address = new URL(url);
  address.hostname = host;
  const pool = createPool({ url: address.href, size: 1, applicationName: "acktor-test", ca });
  cleanUp(t, () => pool.stop());
  return pool.run<{ ssl: boolean }>("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
}

test("a server is believed by its CA and its name or address, and by nothing less", async (t) => {
  const [keys, foreign] = [testFolder(t), testFolder(t)];
  const [authority, other] = [testAuthority(t, keys), testAuthority(t, foreign)];
  if (authority === null || other === null) return;
  authority.issue({ name: "postgres", hosts: ["IP:127.0.0.1"] });
  const files = { ssl_cert_file: path.join(keys, "postgres.crt"), ssl_key_file: path.join(keys, "postgres.key") };
  const settings = { ssl: "on", fsync: "off", ...files };
  const started = await startPostgres({ dataDir: testFolder(t), port: await anyPort(), narrator: SILENT, settings });
  assert.ok(started.ok, JSON.stringify(started));
  cleanUp(t, () => started.value.stop());
  const url = new URL(started.value.url);

  const good = await ask(t, url, "127.0.0.1", authority.certificate);
  assert.equal(good.ok && good.rows[0]?.ssl, true, JSON.stringify(good));
  for (const [what, host, ca] of [
    ["another CA", "127.0.0.1", other.certificate],
    ["a name that is not in the certificate", "localhost", authority.certificate],
  ] as const) {
    const answer = await ask(t, url, host, ca);
    assert.ok(!answer.ok, what);
    assert.equal(answer.failure.kind, "unavailable", what);
    assert.match(`${answer.failure.code} ${answer.failure.message}`, /certificate|ALTNAME/i, what);
  }
});
