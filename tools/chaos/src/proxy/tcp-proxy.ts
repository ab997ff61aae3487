/**
 * A TCP proxy in front of any server, which can break what goes through it: for the broker, for PostgreSQL, for NATS.
 *
 * Invariants:
 *  1. Without a fault it is invisible: the same bytes, in the same order, nothing added.
 *  2. Each fault counts what it really did to bytes and connections; one that did nothing has counted nothing.
 *  3. `stop` ends every connection and frees the port; twice is fine.
 */
import net from "node:net";
import { type Random, seededRandom } from "../seeded-random.ts";
import { CLEAR_LINE, Lane, type LineCounts, type LineQuality } from "./lane.ts";
import { type CutSide, MessageCut } from "./message-cut.ts";

/** `to_server`: from the client that connected to the proxy. */
export type Direction = "to_server" | "to_client";

export interface TcpCounts extends LineCounts {
  /** Connections that were made through it. */
  connections: number;
  /** Connections that were ended, or turned away at once, by a cut. */
  cutConnections: number;
  /** Connections that were frozen for good. */
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
   * Takes the server away.
   *  - `refuse`: as a server that died: connections end, new ones end at once.
   *  - `silent`: as a line that is cut: nothing is forwarded and nothing ends; what is still there at `heal` goes on.
   */
  cut(how: "refuse" | "silent"): void;
  /** Forwards nothing in one direction, until `heal`. */
  oneWay(blocked: Direction): void;
  /** Ends `cut` and `oneWay`. */
  heal(): void;
  /** The connections there are forward nothing any more and never end: half-open, as a lost route leaves them. */
  freeze(): void;
  /** New connections are forwarded again; those that were frozen stay so. */
  thaw(): void;
  /** Changes what the line does from now on; `{}` clears it. */
  setLine(quality: Partial<LineQuality>): void;
  /** Ends the connection that carries the n-th message from now on. A line that is not inspected counts chunks. */
  cutMessage(nth: number, side: CutSide): void;
  /** No message is cut any more. @returns whether one was */
  endMessageCut(): boolean;
  /** Ends every connection by a reset. */
  reset(): void;
  /** Ends every connection. */
  drop(): void;
  stop(): Promise<void>;
}

/** Looks at what passes on one connection, and may change it: bytes in, bytes out by `Flow`. */
export interface Inspector {
  onData(direction: Direction, chunk: Buffer): void;
  /** The connection is gone. */
  onEnd(): void;
}

/** Where an inspector sends what shall go on. */
export interface Flow {
  send(direction: Direction, bytes: Buffer): void;
  end(): void;
}

export interface TcpProxyOptions {
  /** Port of the server. */
  readonly target: number;
  readonly targetHost?: string;
  /** To listen on; any free one when absent. */
  readonly port?: number;
  readonly host?: string;
  readonly random?: Random;
  readonly inspect?: (flow: Flow) => Inspector;
}

const MOST_CONNECTIONS = 1_000;
/** Who does not end when the other has is ended. */
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
  const pairs = new Set<Pair>();
  let refusing = false;
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    if (refusing) {
      shared.counts.cutConnections++;
      client.on("error", () => undefined).destroy();
      return;
    }
    shared.counts.connections++;
    const pair = new Pair(client, shared, () => pairs.delete(pair));
    pairs.add(pair);
  });
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, options);
  const { port } = server.address() as net.AddressInfo;
  const holdAll = (): void => {
    for (const pair of pairs) pair.applyHold();
  };
  const endAll = (): void => {
    for (const pair of pairs) pair.end();
  };
  return {
    port,
    counts: shared.counts,
    open: () => pairs.size,
    cut(how) {
      shared.counts.cutConnections += pairs.size;
      if (how === "silent") {
        shared.held = { to_server: true, to_client: true };
        holdAll();
        return;
      }
      refusing = true;
      endAll();
    },
    oneWay(blocked) {
      shared.held = { ...shared.held, [blocked]: true };
      holdAll();
    },
    heal() {
      refusing = false;
      shared.held = { to_server: false, to_client: false };
      holdAll();
    },
    freeze() {
      shared.frozen = true;
      for (const pair of pairs) pair.freeze();
    },
    thaw() {
      shared.frozen = false;
    },
    setLine(quality) {
      shared.quality = { ...CLEAR_LINE, ...quality };
    },
    cutMessage: (nth, side) => shared.cut.arm(nth, side),
    endMessageCut: () => shared.cut.disarm(),
    reset() {
      for (const pair of pairs) pair.reset();
    },
    drop: endAll,
    async stop() {
      endAll();
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

/** A client's connection and the one to the server that stands behind it. */
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

  /** Both sides get what was passed on, and then an end; a reset could overtake it. */
  #endSoftly(): void {
    this.#cut = true;
    this.#shared.counts.cutMessages++;
    for (const lane of Object.values(this.#lanes)) lane.end();
    setTimeout(() => this.end(), SOFT_END_MS).unref();
  }

  /** Only where both ways are open: reset on a socket whose end is under way leaves a handle, and Node 20 spins at exit. */
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
      if (this.#inspector === null) this.#send(direction, chunk);
      else this.#inspector.onData(direction, chunk);
    });
    from.on("end", () => lane.end());
    // An error is followed by close.
    from.on("error", () => undefined);
    from.on("close", () => {
      if (from.readableEnded && !from.errored) return;
      lane.stop();
      // Who sees one side break off ends the other; a line that is cut hides even that.
      if (this.#isHeld()) this.#endsAtHeal = true;
      else to.destroy();
    });
  }
}
