/** A proxy in front of any server, which can stop forwarding: a half-open connection, as a lost route makes it. */
import net from "node:net";
import type { TestContext } from "node:test";

export interface TcpProxy {
  readonly port: number;
  /** Connections that were made through it. */
  readonly connections: number;
  /** From now on nothing is forwarded and nothing ends, in both directions; connections are still taken. */
  freeze(): void;
  /** New connections are forwarded again; those that were frozen stay so. */
  thaw(): void;
}

export async function startTcpProxy(t: TestContext, target: number): Promise<TcpProxy> {
  const sockets = new Set<net.Socket>();
  let frozen = false;
  let connections = 0;
  const server = net.createServer((client) => {
    connections++;
    const upstream = net.connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // Ends and resets are what a proxy meets all day; the tests look at what its users say.
      socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    }
    if (frozen) return;
    client.pipe(upstream).pipe(client);
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    port,
    get connections() {
      return connections;
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    thaw() {
      frozen = false;
    },
  };
}
