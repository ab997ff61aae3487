/**
 * Splits a stream of bytes into frames of MQTT, and parses and writes packets. The only importer of mqtt-packet.
 *
 * Invariants:
 *  FRAMES-1. The frames have the bytes of the stream, in order, regardless of its chunks.
 */
import mqttPacket, { type IConnectPacket, type IPublishPacket, type Packet } from "mqtt-packet";

export type { IConnectPacket, IPublishPacket, Packet };

export type PacketName = Packet["cmd"];

const NAMES: readonly (PacketName | null)[] = [
  null,
  "connect",
  "connack",
  "publish",
  "puback",
  "pubrec",
  "pubrel",
  "pubcomp",
  "subscribe",
  "suback",
  "unsubscribe",
  "unsuback",
  "pingreq",
  "pingresp",
  "disconnect",
  "auth",
];

/** The kind of a frame, by its first byte. */
export function packetName(frame: Buffer): PacketName | null {
  return NAMES[(frame[0] ?? 0) >> 4] ?? null;
}

/** Splits a stream into frames. An incomplete frame waits for its rest. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns the frames that are complete now; null when the bytes are not MQTT */
  read(chunk: Buffer): Buffer[] | null {
    // FRAMES-1
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    for (;;) {
      const size = frameLength(this.#rest);
      if (size === "not MQTT") return null;
      if (size === null || size > this.#rest.length) return frames;
      frames.push(this.#rest.subarray(0, size));
      this.#rest = this.#rest.subarray(size);
    }
  }
}

/** The length of the first packet in `bytes`, or null when its length field is incomplete (MQTT 5, 2.1.4). */
function frameLength(bytes: Buffer): number | null | "not MQTT" {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[i];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** (i - 1);
    if (byte < 0x80) return 1 + i + length;
  }
  return "not MQTT";
}

/** Parses a frame; null when it is not a valid packet. */
export function parseFrame(frame: Buffer, protocolVersion: number): Packet | null {
  const packets: Packet[] = [];
  const parser = mqttPacket.parser({ protocolVersion });
  parser.on("packet", (packet: Packet) => packets.push(packet));
  parser.on("error", () => undefined);
  parser.parse(frame);
  return packets[0] ?? null;
}

export function writeFrame(packet: Packet, protocolVersion: number): Buffer {
  return mqttPacket.generate(packet, { protocolVersion });
}
