/**
 * Runs inside the lab's own network namespace, as `chaos run --driver netns` does: a cable, a server at its other end, real
 * packet loss. Prints what it observed. With `stay` it then waits to be killed.
 */
import net from "node:net";
import { makeBrokerRoom } from "@acktor/chaos/netns/broker-room";
import { injectByPacketFilter } from "@acktor/chaos/netns/packet-filter";
import { startTcpProxy } from "@acktor/chaos/proxy/tcp-proxy";
import { seededRandom } from "@acktor/chaos/seeded-random";
import { startChild } from "@acktor/chaos/world/child";
import type { World } from "@acktor/chaos/world/world";

const PORT = 4_000;
const ECHO = `require("node:net").createServer((s) => s.pipe(s)).listen(${PORT}, "10.213.0.2")`;
const LINES = ["publisher.mqtt", "acker.mqtt"] as const;

const room = await makeBrokerRoom();
const server = startChild(room.wrap({ file: process.execPath, args: ["-e", ECHO] }));
const line = await connect(room.host, PORT);
/** A server outside the namespace, like PostgreSQL, with a proxy in front of it. */
const outside = net.createServer((socket) => socket.pipe(socket));
await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
const proxy = await startTcpProxy({ target: (outside.address() as net.AddressInfo).port });
const world = { lines: { "publisher.db": proxy } } as unknown as World;
const database = await connect("127.0.0.1", proxy.port);
const clear = await echo(line);
const cut = await injectByPacketFilter(world, { do: "cut", lines: LINES, how: "silent" }, seededRandom(1));
const whileCut = await Promise.race([echo(line), passes(500)]);
await cut?.end();
const healed = await echo(line);
const lossy = await injectByPacketFilter(
  world,
  { do: "line", lines: LINES, quality: { lossRatio: 0.3 } },
  seededRandom(1),
);
for (let n = 0; n < 20; n++) await echo(line);
await lossy?.end();
const oneLine = await injectByPacketFilter(
  world,
  { do: "cut", lines: ["publisher.mqtt"], how: "silent" },
  seededRandom(1),
);
const databaseCut = await injectByPacketFilter(
  world,
  { do: "cut", lines: ["publisher.db"], how: "silent" },
  seededRandom(1),
);
const [databaseWhileCut, cableMeanwhile] = await Promise.all([
  Promise.race([echo(database), passes(500)]),
  Promise.race([echo(line), passes(500)]),
]);
await databaseCut?.end();
const seen = {
  ...{ clear, whileCut, healed, cutHits: cut?.hits(), lossHits: lossy?.hits(), oneLine },
  ...{ databaseWhileCut, cableMeanwhile, databaseHits: databaseCut?.hits() },
};
console.log(`saw ${JSON.stringify(seen)}`);
if (process.argv[2] === "stay") await passes(60_000);
line.destroy();
database.destroy();
await proxy.stop();
outside.close();
await server.kill();
await room.stop();
process.exit(0);

async function connect(host: string, port: number): Promise<net.Socket> {
  for (let tries = 0; ; tries++) {
    const socket = net.connect({ host, port, noDelay: true });
    const connected = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    if (connected) return socket;
    if (tries > 100) throw new Error("no server listens behind the cable");
    await passes(50);
  }
}

function echo(socket: net.Socket): Promise<"echo"> {
  return new Promise((resolve) => {
    socket.once("data", () => resolve("echo"));
    socket.write("x");
  });
}

function passes(ms: number): Promise<"silence"> {
  return new Promise((resolve) => setTimeout(() => resolve("silence"), ms));
}
