/**
 * A TCP proxy in front of a broker that understands MQTT: it can lose, double, alter and hold back single packets.
 *
 * Invariants:
 *  1. What no rule touches is passed on byte for byte; only a packet that is altered is written anew.
 *  2. A PUBLISH that is lost is answered as a broker with a full queue answers: PUBACK, and nothing more. On TCP no
 *     packet is lost otherwise; without the PUBACK the sender would see a dead connection, which is another fault.
 *  3. It counts what it did: a fault that did not happen proves nothing.
 */
import net from "node:net";
import type { TestContext } from "node:test";
import mqttPacket, { type IPublishPacket, type Packet } from "mqtt-packet";
import { cleanUp } from "./cleanup.ts";

/** `to_broker`: from the client that connected to the proxy. */
export type Direction = "to_broker" | "to_client";

/** What happens to a PUBLISH: passed on, lost (see above), sent twice, or passed on with this payload instead. */
export type Fate = "pass" | "lose" | "double" | Buffer;

export interface Seen {
  readonly topic: string;
  readonly payload: Buffer;
  readonly direction: Direction;
}

export type PublishRule = (publish: Seen) => Fate;

export interface MqttProxy {
  /** mqtt://127.0.0.1:port */
  readonly url: string;
  readonly counts: { passed: number; lost: number; doubled: number; altered: number; held: number };
  /** Decides on each PUBLISH from now on; null = everything passes. */
  setRule(rule: PublishRule | null): void;
  /** Holds back every PUBACK to clients while true; passes them on, in order, when it becomes false. */
  holdPubacks(hold: boolean): void;
  /** Ends every connection at once. */
  cut(): void;
}

/** Starts a proxy to a broker of this machine; it stops with the test. */
export async function startMqttProxy(t: TestContext, brokerPort: number): Promise<MqttProxy> {
  const pairs = new Set<ProxiedConnection>();
  const shared: Shared = {
    rule: null,
    holding: false,
    counts: { passed: 0, lost: 0, doubled: 0, altered: 0, held: 0 },
  };
  const server = net.createServer({ noDelay: true }, (client) => {
    const connection = new ProxiedConnection(client, brokerPort, shared);
    pairs.add(connection);
    client.once("close", () => pairs.delete(connection));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  const cut = (): void => {
    for (const connection of pairs) connection.end();
  };
  cleanUp(t, () => {
    server.close();
    cut();
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `mqtt://127.0.0.1:${port}`,
    counts: shared.counts,
    cut,
    setRule(rule) {
      shared.rule = rule;
    },
    holdPubacks(hold) {
      shared.holding = hold;
      if (!hold) for (const connection of pairs) connection.releaseHeld();
    },
  };
}

interface Shared {
  rule: PublishRule | null;
  holding: boolean;
  readonly counts: MqttProxy["counts"];
}

const CONNECT = 1;
const PUBLISH = 3;
const PUBACK = 4;

class ProxiedConnection {
  readonly #client: net.Socket;
  readonly #broker: net.Socket;
  readonly #shared: Shared;
  readonly #held: Buffer[] = [];
  #protocolVersion = 4;

  constructor(client: net.Socket, brokerPort: number, shared: Shared) {
    this.#client = client;
    this.#broker = net.connect({ host: "127.0.0.1", port: brokerPort, noDelay: true });
    this.#shared = shared;
    this.#forward(client, this.#broker, "to_broker");
    this.#forward(this.#broker, client, "to_client");
  }

  end(): void {
    // Not resetAndDestroy: on a socket whose end is under way it leaves a handle behind, and Node 20 spins at its exit.
    this.#client.destroy();
    this.#broker.destroy();
  }

  releaseHeld(): void {
    for (const frame of this.#held.splice(0)) this.#client.write(frame);
  }

  #forward(from: net.Socket, to: net.Socket, direction: Direction): void {
    let rest: Buffer = Buffer.alloc(0);
    from.on("data", (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let size = frameLength(rest); size !== null && size <= rest.length; size = frameLength(rest)) {
        this.#pass(rest.subarray(0, size), from, to, direction);
        rest = rest.subarray(size);
      }
    });
    // Who sees one side end ends the other; an error is followed by close.
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  }

  #pass(frame: Buffer, from: net.Socket, to: net.Socket, direction: Direction): void {
    const kind = (frame[0] ?? 0) >> 4;
    if (kind === CONNECT) {
      const packet = parse(frame, 4);
      if (packet?.cmd === "connect") this.#protocolVersion = packet.protocolVersion ?? 4;
    }
    if (kind === PUBACK && direction === "to_client" && this.#shared.holding) {
      this.#shared.counts.held++;
      this.#held.push(Buffer.from(frame));
      return;
    }
    const rule = this.#shared.rule;
    const packet = kind === PUBLISH && rule !== null ? parse(frame, this.#protocolVersion) : null;
    if (packet?.cmd !== "publish" || rule === null) {
      to.write(frame);
      return;
    }
    const payload = Buffer.from(packet.payload);
    this.#apply(rule({ topic: packet.topic, payload, direction }), packet, frame, from, to);
  }

  #apply(fate: Fate, packet: IPublishPacket, frame: Buffer, from: net.Socket, to: net.Socket): void {
    const { counts } = this.#shared;
    if (fate === "lose") {
      counts.lost++;
      if (packet.qos === 1) from.write(this.#generate({ cmd: "puback", messageId: packet.messageId ?? 0 }));
      return;
    }
    if (fate === "pass" || fate === "double") {
      counts.passed++;
      to.write(frame);
      if (fate === "pass") return;
      counts.doubled++;
      // The second one at QoS 0: it needs no packet id, so neither side gets a PUBACK that it does not know.
      const { messageId: _, ...copy } = packet;
      to.write(this.#generate({ ...copy, qos: 0, dup: false }));
      return;
    }
    counts.altered++;
    to.write(this.#generate({ ...packet, payload: fate }));
  }

  #generate(packet: Packet): Buffer {
    return mqttPacket.generate(packet, { protocolVersion: this.#protocolVersion });
  }
}

/** Bytes of the first packet in `bytes`, or null when its length is not there yet (MQTT 5, 2.1.4). */
function frameLength(bytes: Buffer): number | null {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[i];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** (i - 1);
    if (byte < 0x80) return 1 + i + length;
  }
  throw new Error("not MQTT: a remaining length of more than four bytes");
}

function parse(frame: Buffer, protocolVersion: number): Packet | null {
  const packets: Packet[] = [];
  const parser = mqttPacket.parser({ protocolVersion });
  parser.on("packet", (packet: Packet) => packets.push(packet));
  parser.parse(frame);
  return packets[0] ?? null;
}
