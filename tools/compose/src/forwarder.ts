/**
 * One address for any number of publishers: forwards each connection to one of them. It does not read the bytes, so that
 * streams, limits and tokens are handled by the publishers alone.
 *
 * Invariants:
 *  FORWARDER-1. At most `maxConnections` connections are open; further ones are closed immediately.
 *  FORWARDER-2. Connections take the name's current addresses in turn. If one does not answer within `connectMs`, the next is
 *               tried; if none answers, the connection is closed.
 *  FORWARDER-3. When one side closes, the other is closed too. After `stop` no connection is open.
 */
import { lookup } from "node:dns/promises";
import net from "node:net";

export interface ForwarderOptions {
  /** Name whose addresses are the publishers. */
  readonly host: string;
  readonly port: number;
  readonly maxConnections?: number;
  /** Milliseconds for one address to answer. */
  readonly connectMs?: number;
  /** Addresses of a name; default: the system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export interface Forwarder {
  readonly server: net.Server;
  /** Closes every connection. Safe to call early and repeatedly. */
  stop(): Promise<void>;
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  const { maxConnections = 512 } = options;
  const sockets = new Set<net.Socket>();
  let turn = 0;
  const server = net.createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (caller) => {
    keep(sockets, caller);
    void reach(options, turn++).then((publisher) => {
      if (publisher === null || caller.destroyed || !server.listening) {
        caller.destroy();
        publisher?.destroy();
        return;
      }
      keep(sockets, publisher);
      join(caller, publisher);
    });
  });
  server.maxConnections = maxConnections; // FORWARDER-1
  return {
    server,
    async stop(): Promise<void> {
      const closed = server.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : null;
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A socket to one of the publishers, or null. FORWARDER-2 */
async function reach(options: ForwarderOptions, turn: number): Promise<net.Socket | null> {
  const { host, port, connectMs = 1_000, resolve = addressesOf } = options;
  const addresses = await resolve(host).catch(() => []);
  for (const [at] of addresses.entries()) {
    const address = addresses[(at + turn) % addresses.length];
    const socket = address === undefined ? null : await connect(address, port, connectMs);
    if (socket !== null) return socket;
  }
  return null;
}

/** Sorted, because the resolver's order changes and connections take turns. */
async function addressesOf(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, family: 4 });
  return found.map(({ address }) => address).sort();
}

function connect(host: string, port: number, timeoutMs: number): Promise<net.Socket | null> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, noDelay: true, allowHalfOpen: true });
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.on("error", () => "close follows");
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
}

/** FORWARDER-3: `pipe` forwards an end, but not an error or a close. */
function join(caller: net.Socket, publisher: net.Socket): void {
  caller.once("close", () => publisher.destroy());
  publisher.once("close", () => caller.destroy());
  caller.pipe(publisher);
  publisher.pipe(caller);
}

function keep(sockets: Set<net.Socket>, socket: net.Socket): void {
  sockets.add(socket);
  socket.on("error", () => "close follows");
  socket.once("close", () => sockets.delete(socket));
}
