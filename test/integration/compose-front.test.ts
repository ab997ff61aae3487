/** The one address in front of several publishers, on real sockets; and the first message. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { createForwarder, type Forwarder, type ForwarderOptions } from "@acktor/compose/forwarder";
import { welcome } from "@acktor/compose/welcome";
import { cleanUp } from "../support/cleanup.ts";
import { until } from "../support/until.ts";

/** Loopback addresses stand for containers: all publishers listen on one port. */
async function startPublisher(t: TestContext, host: string, port: number, say = host): Promise<Server> {
  const server = createServer((_request, response) => response.end(say));
  cleanUp(t, () => stopServer(server));
  await new Promise<void>((resolve) => server.listen({ host, port }, () => resolve()));
  return server;
}

function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

const portOf = (server: net.Server): number => (server.address() as net.AddressInfo).port;

async function startFront(t: TestContext, options: ForwarderOptions): Promise<Forwarder & { readonly url: string }> {
  const front = createForwarder(options);
  cleanUp(t, () => front.stop());
  await new Promise<void>((resolve) => front.server.listen({ host: "127.0.0.1", port: 0 }, () => resolve()));
  return { ...front, url: `http://127.0.0.1:${portOf(front.server)}` };
}

/** By a connection of its own. */
async function ask(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(5_000) });
  return response.text();
}

test("FORWARDER-2: connections take turns, and skip an address that does not answer", async (t) => {
  const first = await startPublisher(t, "127.0.0.2", 0);
  const port = portOf(first);
  await startPublisher(t, "127.0.0.3", port);
  const resolve = async (): Promise<string[]> => ["127.0.0.2", "127.0.0.3"];
  const { url } = await startFront(t, { host: "publisher", port, resolve });
  const answers = [await ask(url), await ask(url), await ask(url), await ask(url)];
  assert.deepEqual(answers, ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"]);
  await stopServer(first);
  assert.deepEqual([await ask(url), await ask(url)], ["127.0.0.3", "127.0.0.3"]);
});

test("FORWARDER-2: addresses are resolved again: a new publisher is found", async (t) => {
  const first = await startPublisher(t, "127.0.0.2", 0);
  let addresses: string[] = [];
  const { url } = await startFront(t, { host: "publisher", port: portOf(first), resolve: async () => addresses });
  await assert.rejects(ask(url));
  addresses = ["127.0.0.2"];
  assert.equal(await ask(url), "127.0.0.2");
  const failing = await startFront(t, { host: "p", port: 1, resolve: () => Promise.reject(new Error("no such name")) });
  await assert.rejects(ask(failing.url));
});

test("FORWARDER-3: a side that closes closes the other, and a stop closes everything", async (t) => {
  const held = new Set<net.Socket>();
  const publisher = net.createServer((socket) => {
    held.add(socket);
    socket.on("error", () => "close follows");
    socket.once("close", () => held.delete(socket));
    socket.write("stream");
  });
  cleanUp(t, () => publisher.close());
  await new Promise<void>((resolve) => publisher.listen({ host: "127.0.0.1", port: 0 }, () => resolve()));
  const resolve = async (): Promise<string[]> => ["127.0.0.1"];
  const front = await startFront(t, { host: "publisher", port: portOf(publisher), resolve });
  const call = async (): Promise<net.Socket> => {
    const socket = net.connect({ host: "127.0.0.1", port: portOf(front.server) });
    cleanUp(t, () => socket.destroy());
    socket.on("error", () => "close follows");
    await new Promise((resolve) => socket.once("data", resolve));
    return socket;
  };
  (await call()).resetAndDestroy();
  await until(() => held.size === 0, 2_000, "the publisher's side to close");
  const left = await call();
  for (const socket of held) socket.resetAndDestroy();
  await until(() => left.closed, 2_000, "the caller's side to close");
  const last = await call();
  await front.stop();
  await front.stop();
  await until(() => last.closed && held.size === 0, 2_000, "both sides to close at the stop");
});

test("FORWARDER-1: connections beyond the limit are closed, earlier ones stay", async (t) => {
  const publisher = await startPublisher(t, "127.0.0.1", 0, "here");
  const resolve = async (): Promise<string[]> => ["127.0.0.1"];
  const { url, server } = await startFront(t, { host: "p", port: portOf(publisher), resolve, maxConnections: 1 });
  const first = net.connect({ host: "127.0.0.1", port: portOf(server) });
  cleanUp(t, () => first.destroy());
  await new Promise((resolve) => first.once("connect", resolve));
  await until(async () => (await ask(url).catch(() => "closed")) === "closed", 2_000, "the second to be closed");
  first.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const answer = await new Promise<Buffer>((resolve) => first.once("data", resolve));
  assert.match(answer.toString(), /^HTTP\/1\.1 200/);
});

interface Api {
  readonly url: string;
  readonly posts: string[];
}

/** A publisher's API, as far as the first message needs it. */
async function startApi(t: TestContext, total: number, state: () => string): Promise<Api> {
  const posts: string[] = [];
  const server = createServer((request, response) => {
    const answer = (body: object): void => void response.end(JSON.stringify(body));
    if (request.headers.authorization !== "Bearer the token") response.statusCode = 401;
    if (request.url === "/v1/stats") return answer({ total_messages: total });
    if (request.method === "GET") return answer({ state: state() });
    posts.push(String(request.headers["idempotency-key"]));
    response.statusCode = 201;
    return answer({ message_id: "m1", state: "pending" });
  });
  cleanUp(t, () => stopServer(server));
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, () => resolve()));
  return { url: `http://127.0.0.1:${portOf(server)}`, posts };
}

const ASKED = { token: "the token", topic: "sensors/welcome", signal: new AbortController().signal };

test("WELCOME-1: the first message is sent once into an empty outbox, and its ack is awaited", async (t) => {
  let looks = 0;
  const api = await startApi(t, 0, () => (++looks > 2 ? "acknowledged" : "sent"));
  assert.equal(await welcome({ ...ASKED, api: api.url, withinMs: 10_000 }), "acknowledged");
  assert.deepEqual([api.posts, looks], [["welcome"], 3]);
});

test("WELCOME-1: with messages in the outbox none is sent; without an answer the wait ends in time", async (t) => {
  const used = await startApi(t, 5, () => "sent");
  assert.equal(await welcome({ ...ASKED, api: used.url, withinMs: 10_000 }), "seen");
  assert.deepEqual(used.posts, []);
  const silent = await startApi(t, 0, () => "sent");
  assert.equal(await welcome({ ...ASKED, api: silent.url, withinMs: 300 }), "unanswered");
  assert.equal(await welcome({ ...ASKED, token: "wrong", api: silent.url, withinMs: 0 }), "unanswered");
  assert.equal(await welcome({ ...ASKED, api: "http://127.0.0.1:1", withinMs: 0 }), "unanswered");
});
