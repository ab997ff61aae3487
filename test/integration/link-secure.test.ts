/** mqtts, ws and wss against mosquitto, with certificates made on the spot. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { cleanUp } from "../support/cleanup.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { anyPort } from "../support/ports.ts";
import { connectedLink, testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Self-signed, for 127.0.0.1 and localhost. Null, and the test is skipped, where there is no openssl. */
async function makeCertificate(t: TestContext): Promise<Certificate | null> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-certificate-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const [key, cert] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  const args = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-keyout",
    key,
    "-out",
    cert,
    ...subject,
  ];
  try {
    await promisify(execFile)("openssl", args);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    t.skip("openssl is not installed");
    return null;
  }
  return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
}

const TLS_LINES = ["certfile <cert>", "keyfile <key>"];

async function startSecure(
  t: TestContext,
  certificate: Certificate,
  protocol: "mqtts" | "wss",
): Promise<string | null> {
  const port = await anyPort();
  const webSockets = protocol === "wss" ? ["protocol websockets"] : [];
  const lines = ["allow_anonymous true", `listener ${port} 127.0.0.1`, ...webSockets, ...TLS_LINES];
  const broker = await startMosquitto(t, { lines, files: { cert: certificate.cert, key: certificate.key } });
  return broker === null ? null : `${protocol}://127.0.0.1:${port}`;
}

for (const protocol of ["mqtts", "wss"] as const) {
  test(`${protocol}: with the broker's CA it connects and carries; without, ERROR, and no retry helps`, async (t) => {
    const certificate = await makeCertificate(t);
    if (certificate === null) return;
    const url = await startSecure(t, certificate, protocol);
    if (url === null) return;
    const { link, publish, facts } = await connectedLink(t, { url, tls: { ca: certificate.cert } });
    link.subscribe({ filter: "a/#", qos: 1 });
    await publish({ payload: "x".repeat(10_000) });
    await until(() => facts("link.message").some(({ payload }) => payload.length === 10_000), 5_000, "the message");
    await link.stop();

    const distrustful = testLink(t, { url });
    await distrustful.link.connect();
    await distrustful.reaches("ERROR");
    assert.equal(distrustful.link.info().lastError?.type, "authentication");
    assert.equal(distrustful.link.info().lastError?.code, "DEPTH_ZERO_SELF_SIGNED_CERT");
  });
}

test("ws: connects, carries, and comes back", async (t) => {
  const port = await anyPort();
  const lines = ["allow_anonymous true", `listener ${port} 127.0.0.1`, "protocol websockets"];
  if ((await startMosquitto(t, { lines })) === null) return;
  const { link, publish, facts, reaches } = await connectedLink(t, { url: `ws://127.0.0.1:${port}`, clientId: "ws" });
  link.subscribe({ filter: "a/#", qos: 1 });
  for (const qos of [0, 1, 2] as const) assert.equal((await publish({ qos })).kind, "acked");
  await until(() => facts("link.message").length >= 3, 5_000, "three messages");
  // Taken over by another of its name: the broker hangs up.
  const other = await connectedLink(t, { url: `ws://127.0.0.1:${port}`, clientId: "ws" });
  await until(() => link.info().stats.disconnections === 1, 5_000, "the end");
  await other.link.stop();
  await reaches("CONNECTED");
  assert.equal((await publish()).kind, "acked");
});
