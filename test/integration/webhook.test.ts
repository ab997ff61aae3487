/** The webhook handler: where it may go, what it sends, and what an answer means. */
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { readAckerConfig } from "@acktor/acker/config";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import { hostFault, isAllowedAddress, readHosts } from "@acktor/acker/process/handlers/public-address";
import { createWebhookHandler, type WebhookOptions } from "@acktor/acker/process/handlers/webhook-handler";
import { plainClient, testAcker, testBroker } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { webhookServer } from "../support/webhook-server.ts";

/** Each is an address that a name may resolve to, or a host of a URL; none may be gone to. */
const HOSTILE: readonly string[] = [
  ..."0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.0.0.53 127.255.255.255".split(
    " ",
  ),
  ..."169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1".split(" "),
  ..."192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9".split(" "),
  ..."224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255".split(" "),
  ...":: ::1 ::2 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1".split(" "),
  ..."::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1".split(" "),
  ..."2001:0:53aa:64c:0:fbbd:80ff:fffe 2001:db8::1 2001:10::1 2002:7f00:1:: 2002:a00:1::1 3fff::1".split(" "),
  ..."5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 ff0e::1".split(" "),
  ..."4000::1 2a00::%1 127.0.0.1%lo 1.1.1 999.1.1.1 0x7f000001 2130706433 localhost".split(" "),
];

/** Spellings of private hosts in a URL; the URL's parser turns them into addresses before we look. */
const HOSTILE_URLS = [
  "http://2130706433/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://[::1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[0:0:0:0:0:ffff:7f00:0001]/",
  "http://127.0.0.1./",
  "http://①②⑦.⓪.⓪.①/",
  "http://169.254.169.254/latest/meta-data/",
  "http://[fd00:ec2::254]/",
  "http://0/",
];

const NONE = readHosts([]);

// ADDRESS-1, ADDRESS-2
test("60 hostile addresses are refused, public ones are not", () => {
  assert.ok(new Set(HOSTILE).size >= 60, `${new Set(HOSTILE).size} addresses`);
  assert.deepEqual(
    HOSTILE.filter((address) => isAllowedAddress(address, NONE)),
    [],
  );
  const open = ["1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.128.0.1", "2606:4700::1111"];
  for (const address of [...open, "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]) {
    assert.ok(isAllowedAddress(address, NONE), address);
  }
});

test("listed addresses are allowed, and no others", () => {
  const hosts = readHosts(["app", "172.16.0.0/12", "127.0.0.1", "fd00::/8"]);
  for (const address of ["172.18.0.5", "127.0.0.1", "::ffff:127.0.0.1", "fd00:1::1"]) {
    assert.ok(isAllowedAddress(address, hosts), address);
  }
  for (const address of ["127.0.0.2", "172.32.0.0%1", "10.0.0.1", "fc00::1"]) {
    assert.ok(!isAllowedAddress(address, hosts), address);
  }
  for (const item of ["a b", "10.0.0.0/33", "10.0.0.0/x", "-x", "http://x", "*.example.com", "::/129", ""]) {
    assert.notEqual(hostFault(item), null, item);
  }
});

test("faults of the configuration are reported at the start", () => {
  const faults = (over: Record<string, string>): string => {
    const base = {
      DATABASE_URL: "postgres://h/d",
      MQTT_URL: "mqtt://h",
      ACKTOR_TOPICS: "a",
      ACKTOR_HANDLER: "webhook",
    };
    const read = readAckerConfig({ ...base, ...over });
    return read.ok ? "" : read.faults.join("\n");
  };
  assert.match(faults({}), /ACKTOR_WEBHOOK_URL is required/);
  for (const url of HOSTILE_URLS) assert.match(faults({ ACKTOR_WEBHOOK_URL: url }), /not public/, url);
  assert.match(faults({ ACKTOR_WEBHOOK_URL: "ftp://x/" }), /must begin with/);
  assert.match(faults({ ACKTOR_WEBHOOK_URL: "http://u:p@x/" }), /user name or a password/);
  assert.match(faults({ ACKTOR_WEBHOOK_URL: "http://x/", ACKTOR_WEBHOOK_HOSTS: "y" }), /does not list x/);
  assert.match(faults({ ACKTOR_WEBHOOK_URL: "http://x/", ACKTOR_WEBHOOK_HOSTS: "x,*.y" }), /\*\.y/);
  assert.equal(faults({ ACKTOR_WEBHOOK_URL: "http://X./", ACKTOR_WEBHOOK_HOSTS: "x" }), "");
  assert.equal(faults({ ACKTOR_WEBHOOK_URL: "http://127.0.0.1:8/", ACKTOR_WEBHOOK_HOSTS: "127.0.0.0/8" }), "");
});

async function handlerOn(t: TestContext, over: Partial<WebhookOptions> = {}) {
  const server = await webhookServer(t);
  const allowed = readHosts(["127.0.0.1"]);
  const options = { allowed, secret: null, userAgent: "acktor/test", clock: { wallClock: () => 1_700_000_000_500 } };
  const handler = createWebhookHandler({ url: `http://127.0.0.1:${server.port}/hook?x=1`, ...options, ...over });
  const post = (message: InboxMessage, signal = new AbortController().signal) =>
    handler.handle(message, { signal, working: () => undefined });
  return { server, post };
}

// WEBHOOK-1
test("what is sent: the content, its id twice, signed as Standard Webhooks say", async (t) => {
  const key = Buffer.from("0123456789abcdef0123456789abcdef");
  const { server, post } = await handlerOn(t, { secret: `whsec_${key.toString("base64")}` });
  const message = messageOf({ content: "AP8B", contentEncoding: "base64", topic: "sensors/ä/1" });
  assert.deepEqual(await post(message), { kind: "processed" });
  const [got] = server.got;
  assert.ok(got);
  assert.deepEqual([got.method, got.path, got.body], ["POST", "/hook?x=1", Buffer.from([0, 255, 1])]);
  const { headers } = got;
  assert.equal(headers["idempotency-key"], message.messageId);
  assert.equal(headers["webhook-id"], message.messageId);
  assert.equal(headers["webhook-timestamp"], "1700000000");
  assert.equal(headers["content-type"], "application/octet-stream");
  assert.equal(headers["acktor-topic"], "sensors/%C3%A4/1");
  const signed = createHmac("sha256", key).update(`${message.messageId}.1700000000.`).update(got.body).digest("base64");
  assert.equal(headers["webhook-signature"], `v1,${signed}`);
});

// WEBHOOK-3
test("nothing of a message breaks a header", async (t) => {
  const { server, post } = await handlerOn(t);
  const message = messageOf({ externalId: "a\r\nx: y", contentType: "text/ü\u{1f600}", topic: "a\u{d800}/b" });
  assert.deepEqual(await post(message), { kind: "processed" });
  assert.equal(server.got[0]?.headers["webhook-id"], message.messageId);
  assert.equal(server.got[0]?.headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(server.got[0]?.headers["x"], undefined);
});

test("what an answer means", async (t) => {
  const { server, post } = await handlerOn(t);
  const table: [number, Record<string, string>, string, boolean | null, number | undefined][] = [
    [200, {}, "processed", null, undefined],
    [299, {}, "processed", null, undefined],
    [301, { location: "http://127.0.0.1/" }, "rejected", false, undefined],
    [304, {}, "rejected", false, undefined],
    [400, {}, "rejected", false, undefined],
    [404, { "retry-after": "5" }, "rejected", false, undefined],
    [408, {}, "rejected", true, undefined],
    [429, { "retry-after": "7" }, "rejected", true, 7_000],
    [429, { "retry-after": "soon" }, "rejected", true, undefined],
    [500, {}, "rejected", true, undefined],
    [503, { "retry-after": "99999999" }, "rejected", true, 86_400_000],
    [
      503,
      { date: "Tue, 14 Nov 2023 22:13:20 GMT", "retry-after": "Tue, 14 Nov 2023 22:14:20 GMT" },
      "rejected",
      true,
      60_000,
    ],
    [
      503,
      { date: "Tue, 14 Nov 2023 22:13:20 GMT", "retry-after": "Tue, 14 Nov 2023 22:12:20 GMT" },
      "rejected",
      true,
      undefined,
    ],
  ];
  for (const [status, headers, kind, retryable, retryAfterMs] of table) {
    server.answer = (_got, response) => void response.writeHead(status, headers).end();
    const result = await post(messageOf());
    const again = result.kind === "rejected" ? result.retryable : null;
    const wait = result.kind === "rejected" ? result.retryAfterMs : undefined;
    assert.deepEqual(
      [result.kind, again, wait],
      [kind, retryable, retryAfterMs],
      `${status} ${JSON.stringify(headers)}`,
    );
  }
  assert.equal(server.got.length, table.length, "no redirect was followed");
});

// POST-2, POST-3
test("an endpoint that never stops sending, breaks off, is silent or away", async (t) => {
  const { server, post } = await handlerOn(t);
  let sent = 0;
  server.answer = (_got, response) => {
    const more = (): void => {
      if (response.destroyed) return;
      sent += 16_384;
      if (response.write(Buffer.alloc(16_384))) setImmediate(more);
      else response.once("drain", more);
    };
    more();
  };
  assert.equal((await post(messageOf())).kind, "processed", "its first line said 200");
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were sent`);
  server.answer = (_got, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("x", () => response.destroy());
  };
  const broken = await post(messageOf());
  assert.ok(broken.kind === "rejected" && broken.retryable);
  server.answer = () => undefined;
  const startedAt = performance.now();
  const silent = await post(messageOf());
  assert.ok(silent.kind === "rejected" && silent.retryable && /5 s/.test(silent.reason), JSON.stringify(silent));
  assert.ok(performance.now() - startedAt < 8_000);
  const abort = new AbortController();
  const stopped = post(messageOf(), abort.signal);
  abort.abort();
  assert.equal((await stopped).kind, "rejected");
});

// POST-1, WEBHOOK-2
test("a name is resolved once, all its addresses are looked at, and the connection goes to the first", async (t) => {
  const asked: string[] = [];
  const answers = [["127.0.0.1"], ["127.0.0.1", "169.254.169.254"], []];
  const resolve = async (name: string): Promise<string[]> => {
    asked.push(name);
    return answers[asked.length - 1] ?? ["10.0.0.1"];
  };
  const server = await webhookServer(t);
  const options = {
    allowed: readHosts(["127.0.0.1"]),
    secret: null,
    userAgent: "t",
    clock: { wallClock: () => 0 },
    resolve,
  };
  const handler = createWebhookHandler({ url: `http://Rebinding.Example:${server.port}/`, ...options });
  const post = () => handler.handle(messageOf(), { signal: new AbortController().signal, working: () => undefined });
  assert.equal((await post()).kind, "processed");
  assert.equal(server.got[0]?.headers.host, `rebinding.example:${server.port}`);
  assert.equal(asked.length, 1);
  for (const reason of [/169\.254\.169\.254 is not public/, /no address/, /10\.0\.0\.1 is not public/]) {
    const result = await post();
    assert.ok(result.kind === "rejected" && result.retryable);
    assert.match(result.reason, reason);
  }
  assert.equal(server.got.length, 1);
});

test("the service posts what it receives and answers with the result", async (t) => {
  const [broker, database, server] = await Promise.all([testBroker(t), testDatabase(t), webhookServer(t)]);
  await testAcker(t, {
    DATABASE_URL: database.url,
    MQTT_URL: broker.url,
    ACKTOR_HANDLER: "webhook",
    ACKTOR_WEBHOOK_URL: `http://127.0.0.1:${server.port}/`,
    ACKTOR_WEBHOOK_HOSTS: "127.0.0.1",
  });
  const client = await plainClient(t, broker.url);
  server.answer = ({ body }, response) =>
    void response.writeHead(Number(body.toString()), { "retry-after": "3" }).end();
  for (const status of ["200", "422", "503"]) {
    await client.send("data/a", { message_id: `m${status}`, content: status, attempt_token: "1" });
  }
  assert.equal((await client.hears("delivery/ack/m200"))["status"], "processed");
  const refused = await client.hears("delivery/ack/m422");
  assert.deepEqual([refused["status"], refused["retryable"]], ["rejected", false]);
  const later = await client.hears("delivery/ack/m503");
  assert.deepEqual([later["status"], later["retryable"], later["retry_after"]], ["rejected", true, 3]);
});

function messageOf(over: Partial<InboxMessage> = {}): InboxMessage {
  return {
    messageId: randomUUID(),
    externalId: null,
    topic: "data/a",
    content: "x",
    contentEncoding: "utf8",
    contentType: null,
    checksum: "",
    attemptToken: null,
    retryCount: 0,
    expiresAt: null,
    answerTo: null,
    ...over,
  };
}
