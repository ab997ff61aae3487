/** The fault proxy for TCP: invisible without a fault, and each fault does what it says, counted. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { cleanUp } from "../support/cleanup.ts";
import { testTcpProxy } from "../support/proxies.ts";
import { until } from "../support/until.ts";

/** A server that sends back what it gets, and a proxy before it. */
async function rig(t: TestContext) {
  const peers = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    peers.add(socket);
    socket.on("error", () => undefined).on("close", () => peers.delete(socket));
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => server.close());
  const proxy = await testTcpProxy(t, (server.address() as net.AddressInfo).port);
  const connect = async (): Promise<Client> => {
    const socket = net.connect(proxy.port, "127.0.0.1");
    cleanUp(t, () => socket.destroy());
    const client: Client = { socket, text: "", closed: null };
    socket.setEncoding("utf8");
    socket.on("data", (text) => {
      client.text += text;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      client.closed = error.code ?? "error";
    });
    socket.on("close", () => {
      client.closed ??= "closed";
    });
    await once(socket, "connect");
    return client;
  };
  return { proxy, connect, peers };
}

interface Client {
  readonly socket: net.Socket;
  text: string;
  closed: string | null;
}

/** Sends and waits for the echo; the time it took. */
async function echo(client: Client, text: string): Promise<number> {
  const before = performance.now();
  const goal = client.text.length + text.length;
  client.socket.write(text);
  await until(() => client.text.length >= goal, 5_000, "the echo");
  return performance.now() - before;
}

test("without a fault the same bytes come, in order, and an end is passed on", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  const sent = Array.from({ length: 20_000 }, (_, n) => `${n},`).join("");
  client.socket.end(sent);
  await until(() => client.closed, 5_000, "the end");
  assert.equal(client.text, sent);
  assert.equal(client.closed, "closed");
  const { connections, ...faults } = proxy.counts;
  assert.equal(connections, 1);
  assert.deepEqual([...new Set(Object.values(faults))], [0]);
});

test("a server that is cut off: connections end, new ones end immediately, until the line heals", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  await echo(client, "a");
  proxy.cut("refuse");
  await until(() => client.closed, 2_000, "the connection to end");
  const second = await connect();
  await until(() => second.closed, 2_000, "the second connection to end");
  assert.equal(proxy.counts.cutConnections, 2);
  proxy.heal();
  await echo(await connect(), "b");
});

test("a line that is cut is silent, and continues where it stopped", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  await echo(client, "a");
  proxy.cut("silent");
  client.socket.write("b");
  await until(() => proxy.counts.heldChunks === 1, 2_000, "the chunk to be held");
  assert.deepEqual([client.text, client.closed], ["a", null]);
  proxy.heal();
  await until(() => client.text === "ab", 2_000, "what was held");
});

test("a line that is cut hides that a client has disconnected, until it heals", async (t) => {
  const { proxy, connect, peers } = await rig(t);
  const client = await connect();
  await echo(client, "a");
  proxy.cut("silent");
  client.socket.resetAndDestroy();
  await until(() => client.closed, 2_000, "the client to be gone");
  assert.equal(peers.size, 1);
  proxy.heal();
  await until(() => peers.size === 0, 2_000, "the server to see the disconnect");
});

test("one way: what the client sends arrives, what the server answers does not", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  proxy.oneWay("to_client");
  client.socket.write("a");
  await until(() => proxy.counts.heldChunks === 1, 2_000, "the echo to be held");
  assert.equal(client.text, "");
  proxy.heal();
  await until(() => client.text === "a", 2_000, "the echo");
});

test("half-open: the connections of then stay dead without an end, new ones work after the thaw", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  await echo(client, "a");
  proxy.freeze();
  client.socket.write("b");
  proxy.thaw();
  await echo(await connect(), "c");
  assert.deepEqual([client.text, client.closed], ["a", null]);
  assert.equal(proxy.counts.frozenConnections, 1);
});

test("a reset is a reset", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  await echo(client, "a");
  proxy.reset();
  await until(() => client.closed, 2_000, "the reset");
  assert.equal(client.closed, "ECONNRESET");
  assert.equal(proxy.counts.resets, 1);
});

test("delay, bandwidth and loss cost time and keep order", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  proxy.setLine({ delayMs: 50, jitterMs: 20 });
  assert.ok((await echo(client, "a")) >= 100);
  assert.equal(proxy.counts.delayedChunks, 2);
  proxy.setLine({ bytesPerSecond: 100_000 });
  // 20,000 bytes at 100,000 a second; there and back overlap.
  assert.ok((await echo(client, "b".repeat(20_000))) >= 200);
  assert.ok(proxy.counts.throttledChunks >= 2);
  proxy.setLine({ lossRatio: 0.9 });
  assert.ok((await echo(client, "c")) >= 200);
  assert.ok(proxy.counts.lostChunks >= 1);
  proxy.setLine({});
  await echo(client, "d");
  assert.match(client.text, /^ab+cd$/);
});

test("stop ends everything, twice", async (t) => {
  const { proxy, connect } = await rig(t);
  const client = await connect();
  await Promise.all([proxy.stop(), proxy.stop()]);
  await until(() => client.closed, 2_000, "the end");
});
