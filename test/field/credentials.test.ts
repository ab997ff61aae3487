/**
 * Credentials that change while the services run: passwords, tokens and certificates in files, and programs that make them.
 *
 * Quick: fake brokers, a mosquitto and a PostgreSQL, 5 s.
 */
import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { createPool } from "@acktor/shared/db/pool";
import { type CredentialsRead, tokenExpiry } from "@acktor/shared/link/credentials";
import { ServiceCredentials } from "@acktor/shared/link/service-credentials";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { FreshSettings } from "@acktor/shared/runtime/fresh-settings";
import { PasswordCommand, readCommand } from "@acktor/shared/runtime/password-command";
import { publisherSettings } from "@acktor/shared/runtime/settings";
import { certificateAuthority } from "../support/certificates.ts";
import { cleanUp } from "../support/cleanup.ts";
import { startFakeBroker } from "../support/fake-broker.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { connectedLink, testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

const NONE = {
  ...{ MQTT_USERNAME: "u", MQTT_PASSWORD: null, MQTT_CA: null, MQTT_CERT: null, MQTT_KEY: null },
  ...{ ACKTOR_MQTT_PASSWORD_COMMAND: null, ACKTOR_MQTT_AUTH_METHOD: null, ACKTOR_MQTT_ALPN: null },
};

async function folder(t: TestContext): Promise<(name: string, text: string) => Promise<string>> {
  const at = await mkdtemp(path.join(os.tmpdir(), "acktor-credentials-"));
  cleanUp(t, () => rm(at, { recursive: true, force: true }));
  return async (name, text) => {
    const file = path.join(at, name);
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
    return file;
  };
}

function token(endsInMs: number, name = "a"): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ exp: (Date.now() + endsInMs) / 1_000, name })}.x`;
}

const passwordsAt = (broker: { connections: readonly { connect: { password?: unknown } | null }[] }) =>
  broker.connections.map(({ connect }) => String(connect?.password));

test("a password in a file: the new one at the next connect, and after the broker refused the old one", async (t) => {
  const write = await folder(t);
  const file = await write("password", "old");
  let right = "old";
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "connect" || String(packet.password) === right) return false;
    from.send({ cmd: "connack", reasonCode: 0x86, returnCode: 0x86, sessionPresent: false });
    return true;
  });
  const { url } = await testDatabase(t);
  const { ask } = await testPublisher(t, {
    DATABASE_URL: url,
    MQTT_URL: broker.url,
    MQTT_USERNAME: "p",
    MQTT_PASSWORD_FILE: file,
  });
  right = "new";
  broker.connections[0]?.reset();
  const state = async () => ((await ask("GET", "/v1/status")).json["connection"] as { state: string }).state;
  await until(async () => (await state()) === "ERROR", 5_000, "ERROR");
  await write("password", "new");
  assert.equal((await ask("POST", "/v1/link/reset", {})).status, 200);
  await until(async () => (await state()) === "CONNECTED", 5_000, "CONNECTED");
  assert.equal(passwordsAt(broker).at(-1), "new");
});

// RENEWAL-1, RENEWAL-2, LIVE_SESSION-2
test("a token is renewed before it ends, while publishes are in flight: none is lost, and no error", async (t) => {
  const write = await folder(t);
  const file = await write("token", token(3_000));
  const broker = await startFakeBroker(t);
  const fresh = new FreshSettings(publisherSettings, { MQTT_PASSWORD_FILE: file });
  const credentials = new ServiceCredentials(NONE, fresh, SYSTEM_CLOCK);
  const { publish, facts, link } = await connectedLink(t, { url: broker.url, credentials, heldMs: 500 });
  await write("token", token(600_000));
  const outcomes: Promise<{ kind: string }>[] = [];
  while (broker.connections.length === 1) {
    if (link.capacity() > 0) outcomes.push(publish());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => link.info().state === "CONNECTED", 5_000, "CONNECTED");
  for (const outcome of await Promise.all(outcomes)) assert.equal(outcome.kind, "acked");
  assert.ok(outcomes.length > 10, `${outcomes.length} publishes`);
  assert.deepEqual([facts("link.error"), facts("link.disconnected")[0]?.expected], [[], true]);
});

// PASSWORD_COMMAND-1, PASSWORD_COMMAND-2, SERVICE_CREDENTIALS-1
test("a program makes the password: asked at each connect, a token is kept, and a failure has no output in it", async () => {
  const script = `process.stdout.write(process.argv[1] === "fail" ? "s3cret" : process.argv[1] + process.pid + "\\n"); process.exit(process.argv[1] === "fail" ? 3 : 0)`;
  const by = (argument: string) =>
    new ServiceCredentials(
      { ...NONE, ACKTOR_MQTT_PASSWORD_COMMAND: [process.execPath, "-e", script, argument] },
      null,
      SYSTEM_CLOCK,
    );
  const passwordOf = async (source: ServiceCredentials) => {
    const read = await source.read();
    return read.ok ? read.credentials.password : JSON.stringify(read.failure);
  };
  const plain = by("p");
  assert.notEqual(await passwordOf(plain), await passwordOf(plain));
  const tokens = by(`${token(60_000)}.`);
  assert.equal(await passwordOf(tokens), await passwordOf(tokens));
  const failed = await passwordOf(by("fail"));
  assert.match(failed ?? "", /ended with 3/);
  assert.doesNotMatch(failed ?? "", /s3cret/);
  assert.deepEqual(readCommand('a "b c" d'), ["a", "b c", "d"]);
  assert.equal(readCommand('a "b'), "has an open quote");
});

const WINDOWS = process.platform === "win32" && "Windows has no process groups";

/** A program that starts another one and hangs. @returns its words, and how many of the two live */
async function hangingProgram(t: TestContext): Promise<{ words: string[]; alive: () => number }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => new Promise((resolve) => server.close(resolve)));
  const hang = `require("net").connect(${(server.address() as net.AddressInfo).port}, "127.0.0.1").on("error", () => 0)`;
  const child = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(hang)}], { stdio: "inherit" })`;
  return { words: [process.execPath, "-e", `${hang}; ${child}`], alive: () => sockets.size };
}

// PASSWORD_COMMAND-1, PASSWORD_COMMAND-3
test("a program that hangs ends with what it started: by its limit, and by a disconnect", {
  skip: WINDOWS,
}, async (t) => {
  const { words, alive } = await hangingProgram(t);
  const running = new PasswordCommand(words, 1_500).run();
  await until(() => alive() === 2, 5_000, "both run");
  const made = await running;
  assert.match(made.ok ? "" : made.fault, /did not end within 1.5 s/);
  await until(() => alive() === 0, 5_000, "both ended");

  const credentials = new ServiceCredentials({ ...NONE, ACKTOR_MQTT_PASSWORD_COMMAND: words }, null, SYSTEM_CLOCK);
  const { link } = testLink(t, { url: "mqtt://127.0.0.1:1", credentials });
  await link.connect();
  await until(() => alive() === 2, 5_000, "both run");
  await link.stop();
  await until(() => alive() === 0, 5_000, "both ended");
});

for (const version of ["5", "3.1.1"] as const) {
  test(`a password without a user name, as some brokers take tokens: an empty name goes with it, ${version}`, async (t) => {
    const broker = await startFakeBroker(t);
    await connectedLink(t, { url: broker.url, password: "token", version });
    const { connect } = await broker.connection(0);
    assert.deepEqual([connect?.username, String(connect?.password)], ["", "token"]);
  });
}

test("a program that cannot be started is a fault", async () => {
  const made = await new PasswordCommand(["/no/such/program"]).run();
  assert.match(made.ok ? "" : made.fault, /failed \(ENOENT\)/);
});

// LIVE_SESSION-1
test("credentials that come after a disconnect open nothing", async (t) => {
  const broker = await startFakeBroker(t);
  let answer: () => void = () => undefined;
  const login = { username: null, password: null, auth: null, tls: {} };
  const late = new Promise<CredentialsRead>((resolve) => {
    answer = () => resolve({ ok: true, credentials: login });
  });
  const { link } = testLink(t, { url: broker.url, credentials: { read: () => late } });
  await link.connect();
  await link.disconnect();
  answer();
  await late;
  await link.stop();
  assert.equal(broker.connections.length, 0);
});

test("exp is read from tokens, and from nothing else", () => {
  assert.ok(Math.abs((tokenExpiry(token(5_000)) ?? 0) - Date.now() - 5_000) < 1_000);
  for (const text of [null, "", "a.b", "a.b.c", "..", "p4ss.w0rd.x", `a.${"A".repeat(70_000)}.c`]) {
    assert.equal(tokenExpiry(text), null);
  }
});

test("an expired client certificate: ERROR, which says since when; the renewed one is taken at the next probe", async (t) => {
  const authority = await certificateAuthority(t);
  if (authority === null) return;
  const [expired, valid] = [await authority.issue("old", { days: -1 }), await authority.issue("new")];
  let files = expired;
  const readers = { MQTT_CERT: () => files.cert, MQTT_KEY: () => files.key } as const;
  const fresh = {
    read(name: "MQTT_PASSWORD" | "MQTT_CA" | "MQTT_CERT" | "MQTT_KEY") {
      const file = name === "MQTT_CERT" || name === "MQTT_KEY" ? readers[name]() : null;
      if (file === null) return { ok: true as const, value: null };
      return new FreshSettings(publisherSettings, { [`${name}_FILE`]: file }).read(name);
    },
  };
  const broker = await startFakeBroker(t);
  const credentials = new ServiceCredentials(NONE, fresh, SYSTEM_CLOCK);
  const { link, reaches } = testLink(t, { url: broker.url, credentials, errorWaitMs: [50, 50] });
  await link.connect();
  await reaches("ERROR");
  assert.match(link.info().lastError?.reason ?? "", /^your client certificate expired on \d{4}-\d\d-\d\d/);
  assert.equal(link.info().lastError?.code, "CLIENT_CERTIFICATE_EXPIRED");
  assert.equal(broker.connections.length, 0);
  files = { cert: valid.cert, key: expired.key };
  await until(() => link.info().lastError?.code === "CLIENT_CERTIFICATE_MISMATCH", 5_000, "half of a renewal");
  files = valid;
  await reaches("CONNECTED");
});

// CONNECTOR-5
test("PostgreSQL: a connection that opens later takes the password that DATABASE_URL_FILE has then", async (t) => {
  const write = await folder(t);
  const { url } = await testDatabase(t);
  const wrong = new URL(url);
  wrong.username = "nobody_of_this_name";
  const file = await write("url", wrong.href);
  const fresh = new FreshSettings(publisherSettings, { DATABASE_URL_FILE: file });
  const pool = createPool({ url: wrong.href, fresh, applicationName: "fresh", size: 1 });
  cleanUp(t, () => pool.stop());
  assert.equal((await pool.run("select 1")).ok, false);
  await write("url", url);
  await until(async () => (await pool.run("select 1")).ok, 5_000, "the new password");
});
