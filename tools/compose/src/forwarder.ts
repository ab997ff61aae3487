/**
 * One address in front of any number of publishers: takes connections, and passes each on to one of those that are there.
 * Bytes are not looked at, so that streams, limits and tokens stay the publishers' own affair.
 *
 * Invariants:
 *  1. At most `maxConnections` at a time; further ones are closed at once.
 *  2. A connection goes to the next address of the name, as the resolver gives them now; to another one where that does
 *     not answer in `connectMs`. Where none does, it is closed.
 *  3. What one side ends, ends on the other side too; nothing is left open after `stop`.
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
  /** Addresses of a name; the system's resolver when absent. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export interface Forwarder {
  readonly server: net.Server;
  /** Closes every connection. Twice and early is fine. */
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
  server.maxConnections = maxConnections;
  return {
    server,
    async stop(): Promise<void> {
      const closed = server.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : null;
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A socket to one of the publishers, or null. */
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

/** In one order, whatever the resolver's: taking turns needs it. */
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
    socket.on("error", () => "told by close");
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
}

/** `pipe` passes an end on; an error, or a close without one, has to be passed on by us. */
function join(caller: net.Socket, publisher: net.Socket): void {
  caller.once("close", () => publisher.destroy());
  publisher.once("close", () => caller.destroy());
  caller.pipe(publisher);
  publisher.pipe(caller);
}

function keep(sockets: Set<net.Socket>, socket: net.Socket): void {
  sockets.add(socket);
  socket.on("error", () => "told by close");
  socket.once("close", () => sockets.delete(socket));
}
