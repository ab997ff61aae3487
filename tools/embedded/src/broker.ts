/**
 * An MQTT 3.1.1 broker in this process, for users without one.
 *
 * Invariants:
 *  BROKER-1. It listens on 127.0.0.1 only.
 *  BROKER-2. `stop` closes every connection and frees the port, so that a broker can start on it again. That one knows nothing of
 *     the previous one: sessions and retained messages are lost, as after the crash of a real broker.
 *
 * A client that does not read for 10 s is dropped, so that its queue stays bounded. Its sockets have Nagle's algorithm off: with it, a round trip takes 20-45 ms instead of 1 ms.
 */
import net from "node:net";
import { Aedes } from "aedes";
import { fail, type Outcome, succeed } from "./failure.ts";
import { freePort, portIsFree } from "./ports.ts";
import type { Narrator } from "./progress.ts";

export interface BrokerOptions {
  /** This port and no other; 0 = any free one. Absent: 1883, or a free one when that is taken. */
  readonly port?: number | undefined;
  readonly narrator: Narrator;
}

export interface BrokerStats {
  /** Clients connected now. */
  readonly clients: number;
  /** Connections accepted since the start. */
  readonly connections: number;
  /** Messages published by clients since the start. */
  readonly published: number;
}

export interface EmbeddedBroker {
  /** mqtt://127.0.0.1:port */
  readonly url: string;
  readonly port: number;
  stats(): BrokerStats;
  /** A second call waits for the first one. */
  stop(): Promise<void>;
}

const STANDARD_PORT = 1883;
const MAX_CLIENTS = 1_000;
const SLOW_CLIENT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Messages that the broker handles at a time; further ones wait in the sockets of the senders. */
const CONCURRENCY = 1_000;

/** Starts a broker. */
export async function startBroker(options: BrokerOptions): Promise<Outcome<EmbeddedBroker>> {
  const port = await choosePort(options);
  const broker = await Aedes.createBroker({
    concurrency: CONCURRENCY,
    drainTimeout: SLOW_CLIENT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxClientsIdLength: 256,
  });
  (broker as NodeJS.EventEmitter).on("error", (error: Error) => options.narrator.say(`MQTT broker: ${error.message}`));
  const server = net.createServer({ noDelay: true });
  const running = attach(server, broker);
  const bound = await listen(server, port);
  if (bound !== null) return succeed({ ...running, url: `mqtt://127.0.0.1:${bound}`, port: bound });
  await running.stop();
  const fix = "stop what uses it, choose another port, or set MQTT_URL to use that broker";
  return fail("port-taken", `Port ${port} of 127.0.0.1 is taken.`, fix);
}

async function choosePort(options: BrokerOptions): Promise<number> {
  if (options.port !== undefined) return options.port;
  if (await portIsFree(STANDARD_PORT)) return STANDARD_PORT;
  const port = await freePort();
  options.narrator.say(`port ${STANDARD_PORT} is taken: the MQTT broker uses ${port}`);
  return port;
}

/** The port of the server, or null when it is taken. */
function listen(server: net.Server, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    server.once("error", () => resolve(null));
    // BROKER-1
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : null);
    });
  });
}

/** Gives the server's connections to the broker. */
function attach(server: net.Server, broker: Aedes): Pick<EmbeddedBroker, "stats" | "stop"> {
  const sockets = new Set<net.Socket>();
  const counts = { connections: 0, published: 0 };
  server.maxConnections = MAX_CLIENTS;
  server.on("connection", (socket) => {
    counts.connections += 1;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    broker.handle(socket);
  });
  broker.on("publish", (_packet, client) => {
    if (client !== null) counts.published += 1;
  });
  let stopping: Promise<void> | null = null;
  return {
    stats() {
      return { clients: broker.connectedClients, ...counts };
    },
    stop() {
      stopping ??= close(server, broker, sockets);
      return stopping;
    },
  };
}

async function close(server: net.Server, broker: Aedes, sockets: ReadonlySet<net.Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy(); // BROKER-2
  await closed;
  await new Promise<void>((resolve) => broker.close(() => resolve()));
}
