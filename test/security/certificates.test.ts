/**
 * Servers with false certificates: expired, or for another name. The broker: ERROR with the reason, and no hot loop. NATS: one
 * log line, and the service works without it. PostgreSQL: no statement is sent.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { createPool } from "@acktor/shared/db/pool";
import { type CertificateAuthority, certificateAuthority, type ServerCertificate } from "../support/certificates.ts";
import { cleanUp } from "../support/cleanup.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { anyPort } from "../support/ports.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Service, startService } from "../support/processes.ts";
import { startTestServer } from "../support/test-server.ts";
import { until } from "../support/until.ts";

const FALSE: readonly (readonly [
  what: string,
  reason: RegExp,
  make: (ca: CertificateAuthority) => Promise<ServerCertificate>,
])[] = [
  ["expired", /CERT_HAS_EXPIRED|expired/i, (ca) => ca.issue("expired", { days: -1 })],
  ["for another name", /ALTNAME|altname|does not match/i, (ca) => ca.issue("other", { names: "DNS:example.org" })],
];

/** A publisher that trusts the CA, with a broker and a NATS of this certificate. */
async function startAgainst(t: TestContext, ca: string, certificate: ServerCertificate): Promise<Service | null> {
  const database = await testDatabase(t);
  const port = await anyPort();
  const files = { cert: await readFile(certificate.cert, "utf8"), key: await readFile(certificate.key, "utf8") };
  const lines = ["allow_anonymous true", `listener ${port} 127.0.0.1`, "certfile <cert>", "keyfile <key>"];
  const broker = await startMosquitto(t, { lines, files });
  const nats = await startNatsServer(t, {
    args: ["--tls", "--tlscert", certificate.cert, "--tlskey", certificate.key],
  });
  if (broker === null || nats === null) return null;
  return startService(t, "publisher", {
    DATABASE_URL: database.url,
    MQTT_URL: `mqtts://localhost:${port}`,
    NATS_URL: `tls://localhost:${nats.port}`,
    NODE_EXTRA_CA_CERTS: ca,
    LOG_LEVEL: "info",
  });
}

interface Status {
  readonly connection: {
    readonly state: string;
    readonly last_error: { readonly reason: string; readonly code: string };
  };
  readonly statistics: { readonly connection_attempts: number };
}

async function status(service: Service): Promise<Status> {
  return (await (await fetch(`${service.url}/v1/status`)).json()) as Status;
}

for (const [what, reason, make] of FALSE) {
  test(`a broker and a NATS whose certificate is ${what}: ERROR with the reason, few retries, and intake works`, async (t) => {
    const authority = await certificateAuthority(t);
    if (authority === null) return;
    const service = await startAgainst(t, authority.ca, await make(authority));
    if (service === null) return;
    const said = await until(
      async () => {
        const now = await status(service);
        return now.connection.state === "ERROR" && now;
      },
      15_000,
      "ERROR",
    );
    assert.match(`${said.connection.last_error.code} ${said.connection.last_error.reason}`, reason);
    await service.says(/NATS unreachable/, 15_000);
    const complaints = service
      .output()
      .split("\n")
      .filter((line) => line.includes("NATS unreachable"));
    assert.match(complaints.join("\n"), reason);
    assert.equal(complaints.length, 1);
    const accepted = await fetch(`${service.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ topic: "data/1", content: "x" }),
    });
    assert.equal(accepted.status, 201);
    const { connection_attempts: attempts } = (await status(service)).statistics;
    assert.ok(attempts <= 3, `${attempts} attempts: a hot loop`);
    const stopped = await service.stop();
    assert.equal(stopped.code, 0);
  });
}

test("with a good certificate of the same CA the publisher connects to both", async (t) => {
  const authority = await certificateAuthority(t);
  if (authority === null) return;
  const service = await startAgainst(t, authority.ca, await authority.issue("good"));
  if (service === null) return;
  await until(async () => (await status(service)).connection.state === "CONNECTED", 15_000, "CONNECTED");
  await service.says(/NATS connected/, 15_000);
});

test("PostgreSQL with a false certificate receives no statement; with a valid one it answers", async (t) => {
  const authority = await certificateAuthority(t);
  if (authority === null) return;
  const ca = await readFile(authority.ca, "utf8");
  const ask = async (certificate: ServerCertificate, host = "localhost") => {
    const dataDir = await mkdtemp(path.join(os.tmpdir(), "acktor-tls-"));
    cleanUp(t, () => rm(dataDir, { recursive: true, force: true }));
    const settings = { ssl: "on", ssl_cert_file: certificate.cert, ssl_key_file: certificate.key };
    const server = await startTestServer({ dataDir, settings });
    cleanUp(t, () => server.stop());
    const url = new URL(server.url);
    url.hostname = host;
    const pool = createPool({ url: url.href, size: 1, deadlineMs: 5_000, applicationName: "acktor-test", ca });
    cleanUp(t, () => pool.stop());
    return pool.run<{ ssl: boolean }>("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
  };
  const good = await ask(await authority.issue("good"));
  assert.deepEqual(good.ok && good.rows.map(({ ssl }) => ssl), [true]);
  for (const [what, reason, make] of FALSE) {
    const answer = await ask(await make(authority));
    assert.ok(!answer.ok, what);
    assert.equal(answer.failure.kind, "unavailable");
    assert.match(`${answer.failure.code} ${answer.failure.message}`, reason);
  }
});
