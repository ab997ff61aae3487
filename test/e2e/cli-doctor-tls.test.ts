/** `acktor doctor` and `acktor migrate` where every server has a certificate of one's own authority. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { doctorOutput } from "@acktor/cli/outputs";
import { startPostgres } from "@acktor/embedded/postgres";
import { SILENT } from "@acktor/embedded/progress";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { readOutput, runCli } from "../support/cli.ts";
import { testAuthority, testFolder } from "../support/compose-certificates.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { anyPort } from "../support/ports.ts";

test("with the CA the doctor finds all three servers well; without it, none", { timeout: TEST_LIMIT_MS }, async (t) => {
  const keys = testFolder(t);
  const authority = testAuthority(t, keys);
  if (authority === null) return;
  const { certificate: cert, key } = authority.issue({ name: "server", hosts: ["IP:127.0.0.1"] });
  const [certFile, keyFile] = [path.join(keys, "server.crt"), path.join(keys, "server.key")];
  const settings = { ssl: "on", ssl_cert_file: certFile, ssl_key_file: keyFile };
  const postgres = await startPostgres({ dataDir: testFolder(t), port: await anyPort(), narrator: SILENT, settings });
  assert.ok(postgres.ok, JSON.stringify(postgres));
  cleanUp(t, () => postgres.value.stop());
  const nats = await startNatsServer(t, { args: ["--tls", "--tlscert", certFile, "--tlskey", keyFile] });
  const port = await anyPort();
  const lines = ["allow_anonymous true", `listener ${port} 127.0.0.1`, "certfile <cert>", "keyfile <key>"];
  const broker = await startMosquitto(t, { lines, files: { cert, key } });
  if (nats === null || broker === null) return;

  const ca = path.join(keys, "ca.crt");
  assert.equal(readFileSync(ca, "utf8"), authority.certificate);
  const servers = {
    ACKTOR_URL: "http://127.0.0.1:1",
    DATABASE_URL: postgres.value.url,
    MQTT_URL: `mqtts://127.0.0.1:${port}`,
    NATS_URL: `tls://127.0.0.1:${nats.port}`,
  };
  const trusting = { ...servers, DATABASE_CA_FILE: ca, MQTT_CA_FILE: ca, NATS_CA_FILE: ca };
  const cwd = testFolder(t);
  const migrated = await runCli(t, ["migrate", "--json"], { env: trusting, cwd });
  assert.equal(migrated.exit, 0, migrated.err);
  const verdicts = async (env: Record<string, string>): Promise<Record<string, string>> => {
    const { checks } = readOutput(doctorOutput, await runCli(t, ["doctor", "--json"], { env, cwd }));
    return Object.fromEntries(checks.map(({ check, verdict }) => [check, verdict]));
  };
  const good = await verdicts(trusting);
  assert.deepEqual([good["postgres"], good["broker"], good["nats"]], ["OK", "OK", "OK"], JSON.stringify(good));
  const bad = await verdicts(servers);
  assert.deepEqual([bad["broker"], bad["nats"]], ["FAIL", "FAIL"], JSON.stringify(bad));
});
