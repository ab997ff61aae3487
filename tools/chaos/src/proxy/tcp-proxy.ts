/**
 * A TCP proxy in front of any server (broker, PostgreSQL, NATS), which can inject faults into its connections.
 *
 * Invariants:
 *  TCP_PROXY-1. Without a fault the proxy forwards the same bytes in the same order, in both directions.
 *  TCP_PROXY-2. Each fault counts the connections and chunks that it changed. A fault without an effect counts nothing.
 *  TCP_PROXY-3. `stop` ends every connection and frees the port. A second call has no effect.
 */
import net from "node:net";
import { type Random, seededRandom } from "../seeded-random.ts";
import { CLEAR_LINE, Lane, type LineCounts, type LineQuality } from "./lane.ts";
import { type CutSide, MessageCut } from "./message-cut.ts";

/** `to_server`: from the client that connected to the proxy. */
export type Direction = "to_server" | "to_client";

export interface TcpCounts extends LineCounts {
  /** Connections that were made through the proxy. */
  connections: number;
  /** Connections that a cut ended or refused. */
  cutConnections: number;
  /** Connections that were frozen permanently. */
  frozenConnections: number;
  /** Connections that were ended by a TCP reset. */
  resets: number;
  /** Connections that were ended at a message. */
  cutMessages: number;
}

export interface TcpProxy {
  readonly port: number;
  readonly counts: Readonly<TcpCounts>;
  /** Connections that are open now. */
  open(): number;
  /**
   * Makes the server unreachable.
   *  - `refuse`: as a dead server: connections end, new connections end immediately.
   *  - `silent`: as a cut line: nothing is forwarded and nothing ends; connections that still exist at `heal` continue.
   */
  cut(how: "refuse" | "silent"): void;
  /** Forwards nothing in one direction, until `heal`. */
  oneWay(blocked: Direction): void;
  /** Ends `cut` and `oneWay`. */
  heal(): void;
  /** Existing connections forward nothing any more and never end: half-open, as after a lost route. */
  freeze(): void;
  /** New connections are forwarded again; frozen connections stay frozen. */
  thaw(): void;
  /** Sets the quality of the line; `{}` clears it. */
  setLine(quality: Partial<LineQuality>): void;
  /** Ends the connection that carries the n-th message from now on. Without an inspector chunks are counted. */
  cutMessage(nth: number, side: CutSide): void;
  /** Cancels the cut. @returns whether a message was cut */
  endMessageCut(): boolean;
  /** Ends every connection by a reset. */
  reset(): void;
  /** Ends every connection. */
  drop(): void;
  stop(): Promise<void>;
}

/** Sees the bytes of one connection and may change them: it gets bytes, and sends bytes by `Flow`. */
export interface Inspector {
  onData(direction: Direction, chunk: Buffer): void;
  /** The connection is closed. */
  onEnd(): void;
}

/** The inspector's way to send bytes on. */
export interface Flow {
  send(direction: Direction, bytes: Buffer): void;
  end(): void;
}

export interface TcpProxyOptions {
  /** Port of the server. */
  readonly target: number;
  readonly targetHost?: string;
  /** The port to listen on; default: any free one. */
  readonly port?: number;
  readonly host?: string;
  readonly random?: Random;
  readonly inspect?: (flow: Flow) => Inspector;
}

const MOST_CONNECTIONS = 1_000;
/** After the other side has ended, a side has this time to end. */
const SOFT_END_MS = 500;

interface Shared {
  readonly options: TcpProxyOptions;
  readonly random: Random;
  readonly counts: TcpCounts;
  readonly cut: MessageCut;
  quality: LineQuality;
  held: { to_server: boolean; to_client: boolean };
  frozen: boolean;
}

/** Starts a proxy to a server of this machine. */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const shared: Shared = {
    options,
    random: options.random ?? seededRandom(1),
    counts: noCounts(),
    cut: new MessageCut(),
    quality: CLEAR_LINE,
    held: { to_server: false, to_client: false },
    frozen: false,
  };
  const pairs = new Pairs(shared);
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (client) => pairs.accept(client));
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, options);
  const { port } = server.address() as net.AddressInfo;
  return {
    port,
    counts: shared.counts,
    open: () => pairs.size,
    cut: (how) => pairs.cut(how),
    oneWay: (blocked) => pairs.hold({ ...shared.held, [blocked]: true }),
    heal: () => pairs.heal(),
    freeze: () => pairs.freeze(),
    thaw() {
      shared.frozen = false;
    },
    setLine(quality) {
      shared.quality = { ...CLEAR_LINE, ...quality };
    },
    cutMessage: (nth, side) => shared.cut.arm(nth, side),
    endMessageCut: () => shared.cut.disarm(),
    reset: () => pairs.reset(),
    drop: () => pairs.end(),
    async stop() {
      pairs.end(); // TCP_PROXY-3
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function noCounts(): TcpCounts {
  const connections = { connections: 0, cutConnections: 0, frozenConnections: 0, resets: 0, cutMessages: 0 };
  return { ...connections, delayedChunks: 0, throttledChunks: 0, lostChunks: 0, heldChunks: 0 };
}

function listen(server: net.Server, { port = 0, host = "127.0.0.1" }: TcpProxyOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, resolve);
  });
}

/** All connections of a proxy. */
class Pairs {
  readonly #shared: Shared;
  readonly #pairs = new Set<Pair>();
  #refusing = false;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  get size(): number {
    return this.#pairs.size;
  }

  accept(client: net.Socket): void {
    const { counts } = this.#shared;
    if (this.#refusing) {
      counts.cutConnections++; // TCP_PROXY-2
      client.on("error", () => undefined).destroy();
      return;
    }
    counts.connections++;
    const pair = new Pair(client, this.#shared, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
  }

  cut(how: "refuse" | "silent"): void {
    this.#shared.counts.cutConnections += this.#pairs.size; // TCP_PROXY-2
    if (how === "silent") {
      this.hold({ to_server: true, to_client: true });
      return;
    }
    this.#refusing = true;
    this.end();
  }

  heal(): void {
    this.#refusing = false;
    this.hold({ to_server: false, to_client: false });
  }

  hold(held: Shared["held"]): void {
    this.#shared.held = held;
    for (const pair of this.#pairs) pair.applyHold();
  }

  freeze(): void {
    this.#shared.frozen = true;
    for (const pair of this.#pairs) pair.freeze();
  }

  reset(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  end(): void {
    for (const pair of this.#pairs) pair.end();
  }
}

/** The connection of a client, and the connection to the server that belongs to it. */
class Pair {
  readonly #client: net.Socket;
  readonly #server: net.Socket;
  readonly #shared: Shared;
  readonly #lanes: Readonly<Record<Direction, Lane>>;
  readonly #inspector: Inspector | null;
  #endsAtHeal = false;
  #cut = false;

  constructor(client: net.Socket, shared: Shared, onEnd: () => void) {
    const { target, targetHost = "127.0.0.1", inspect } = shared.options;
    this.#client = client;
    this.#shared = shared;
    this.#server = net.connect({ host: targetHost, port: target, noDelay: true, allowHalfOpen: true });
    const { counts, random } = shared;
    const common = { quality: () => shared.quality, counts, random };
    this.#lanes = {
      to_server: new Lane({ from: client, to: this.#server, ...common }),
      to_client: new Lane({ from: this.#server, to: client, ...common }),
    };
    const flow: Flow = { send: (direction, bytes) => this.#send(direction, bytes), end: () => this.end() };
    this.#inspector = inspect?.(flow) ?? null;
    this.#forward(client, this.#server, "to_server");
    this.#forward(this.#server, client, "to_client");
    client.once("close", () => this.#inspector?.onEnd());
    for (const socket of [client, this.#server]) {
      socket.once("close", () => {
        if (client.destroyed && this.#server.destroyed) onEnd();
      });
    }
    this.applyHold();
    if (shared.frozen) this.freeze();
  }

  end(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #send(direction: Direction, bytes: Buffer): void {
    if (this.#cut) return;
    const verdict = this.#shared.cut.take();
    if (verdict !== "cut before") this.#lanes[direction].push(bytes);
    if (verdict !== "pass") this.#endSoftly();
  }

  /** Both sides get the bytes that were passed on, and then an end. A reset could overtake the bytes. */
  #endSoftly(): void {
    this.#cut = true;
    this.#shared.counts.cutMessages++;
    for (const lane of Object.values(this.#lanes)) lane.end();
    setTimeout(() => this.end(), SOFT_END_MS).unref();
  }

  /** Resets only an open socket: a reset while a socket is ending leaves a handle, and Node 20 then spins at exit. */
  reset(): void {
    const { counts } = this.#shared;
    if (this.#client.readyState === "open" && !this.#client.readableEnded) {
      counts.resets++;
      this.#client.resetAndDestroy();
    } else this.#client.destroy();
    this.#server.destroy();
  }

  freeze(): void {
    this.#shared.counts.frozenConnections++;
    for (const lane of Object.values(this.#lanes)) lane.sever();
    for (const socket of [this.#client, this.#server]) socket.pause();
  }

  applyHold(): void {
    const { held } = this.#shared;
    this.#lanes.to_server.hold(held.to_server);
    this.#lanes.to_client.hold(held.to_client);
    if (this.#endsAtHeal && !this.#isHeld()) this.end();
  }

  #isHeld(): boolean {
    const { held } = this.#shared;
    return held.to_server || held.to_client;
  }

  #forward(from: net.Socket, to: net.Socket, direction: Direction): void {
    const lane = this.#lanes[direction];
    from.on("data", (chunk) => {
      // TCP_PROXY-1
      if (this.#inspector === null) this.#send(direction, chunk);
      else this.#inspector.onData(direction, chunk);
    });
    from.on("end", () => lane.end());
    // An error is followed by close.
    from.on("error", () => undefined);
    from.on("close", () => {
      if (from.readableEnded && !from.errored) return;
      lane.stop();
      // When one side breaks off, the proxy ends the other side. A held line does so only after `heal`.
      if (this.#isHeld()) this.#endsAtHeal = true;
      else to.destroy();
    });
  }
}
