/**
 * PUBLISH and PUBACK from bytes, for MQTT 3.1.1 and 5. Pure. Property tests compare it with `mqtt-packet`'s generator.
 *
 * Written by hand because it is the hot path: see the table in mqtt-transport.ts.
 */
import type { IncomingMessage } from "./messages.ts";

export type Decoded =
  | { readonly ok: true; readonly message: IncomingMessage; readonly packetId: number }
  | { readonly ok: false; readonly why: string };

export interface DecodedPuback {
  readonly packetId: number;
  readonly reasonCode: number;
  /** Reason String of a refusal. */
  readonly said?: string;
}

type UserProperties = Record<string, string | string[]>;

const USER_PROPERTY = 0x26;
const REASON_STRING = 0x1f;
/** Bytes of each property that a PUBLISH may carry; `text` has a length of two bytes before it. */
const PROPERTY_BYTES: Readonly<Record<number, number | "text" | "varint">> = {
  1: 1,
  2: 4,
  3: "text",
  8: "text",
  9: "text",
  11: "varint",
};

/**
 * Reads a PUBLISH of QoS 0 or 1.
 * @param start of the packet's header byte
 * @param body of its content
 * @param end after its last byte
 */
export function decodePublish(
  bytes: Buffer,
  start: number,
  body: number,
  end: number,
  protocolVersion: 4 | 5,
): Decoded {
  const header = bytes[start] ?? 0;
  const qos = ((header >> 1) & 1) as 0 | 1;
  const topicEnd = body + 2 + uint16(bytes, body);
  const idEnd = qos === 1 ? topicEnd + 2 : topicEnd;
  if (body + 2 > end || idEnd > end) return malformed("a PUBLISH that is too short");
  const packetId = qos === 1 ? uint16(bytes, topicEnd) : 0;
  if (qos === 1 && packetId === 0) return malformed("a PUBLISH with packet id 0");
  const properties = protocolVersion === 5 ? readProperties(bytes, idEnd, end) : NO_PROPERTIES;
  if (!properties.ok) return properties;
  const message: IncomingMessage = {
    topic: bytes.toString("utf8", body + 2, topicEnd),
    payload: bytes.subarray(protocolVersion === 5 ? properties.end : idEnd, end),
    qos,
    retain: (header & 1) === 1,
    userProperties: properties.userProperties,
  };
  return message.topic === "" ? malformed("a PUBLISH without a topic") : { ok: true, message, packetId };
}

/** Reads a PUBACK; null where it is too short. On 3.1.1, and in the short form, the reason is 0. */
export function decodePuback(bytes: Buffer, body: number, end: number): DecodedPuback | null {
  if (end - body < 2) return null;
  const packetId = uint16(bytes, body);
  const reasonCode = end - body > 2 ? (bytes[body + 2] ?? 0) : 0;
  const said = reasonCode < 0x80 ? null : reasonString(bytes, body + 3, end);
  return said === null ? { packetId, reasonCode } : { packetId, reasonCode, said };
}

/** The Reason String where it comes first or behind user properties; null also where the properties are malformed. */
function reasonString(bytes: Buffer, at: number, limit: number): string | null {
  const length = readVarint(bytes, at, limit);
  if (length === null || length.end + length.value > limit) return null;
  const end = length.end + length.value;
  for (let next = length.end; next < end; ) {
    const id = bytes[next];
    const first = textEnd(bytes, next + 1, end);
    const after = id === USER_PROPERTY && first !== null ? textEnd(bytes, first, end) : first;
    if (first === null || after === null) return null;
    if (id === REASON_STRING) return bytes.toString("utf8", next + 3, first) || null;
    if (id !== USER_PROPERTY) return null;
    next = after;
  }
  return null;
}

type Properties =
  | { readonly ok: true; readonly end: number; readonly userProperties: UserProperties | undefined }
  | { readonly ok: false; readonly why: string };

const NO_PROPERTIES: Properties = { ok: true, end: 0, userProperties: undefined };

function readProperties(bytes: Buffer, at: number, limit: number): Properties {
  const length = readVarint(bytes, at, limit);
  if (length === null || length.end + length.value > limit) return malformed("properties that are too long");
  const end = length.end + length.value;
  let userProperties: UserProperties | undefined;
  for (let next = length.end; next < end; ) {
    const id = bytes[next] ?? 0;
    if (id === USER_PROPERTY) {
      const nameEnd = textEnd(bytes, next + 1, end);
      const valueEnd = nameEnd === null ? null : textEnd(bytes, nameEnd, end);
      if (nameEnd === null || valueEnd === null) return malformed("a user property that is too long");
      userProperties ??= Object.create(null) as UserProperties;
      add(userProperties, bytes.toString("utf8", next + 3, nameEnd), bytes.toString("utf8", nameEnd + 2, valueEnd));
      next = valueEnd;
      continue;
    }
    const after = propertyEnd(bytes, id, next + 1, end);
    // A topic alias would be property 35. CONNECT offered none, so the broker may send none.
    if (after === null) return malformed(`property ${id} in a PUBLISH`);
    next = after;
  }
  return { ok: true, end, userProperties };
}

function propertyEnd(bytes: Buffer, id: number, at: number, limit: number): number | null {
  const size = PROPERTY_BYTES[id];
  if (size === undefined) return null;
  if (size === "text") return textEnd(bytes, at, limit);
  const end = size === "varint" ? (readVarint(bytes, at, limit)?.end ?? null) : at + size;
  return end === null || end > limit ? null : end;
}

function textEnd(bytes: Buffer, at: number, limit: number): number | null {
  const end = at + 2 + uint16(bytes, at);
  return at + 2 > limit || end > limit ? null : end;
}

function readVarint(bytes: Buffer, at: number, limit: number): { value: number; end: number } | null {
  let value = 0;
  for (let i = 0; i < 4 && at + i < limit; i++) {
    const byte = bytes[at + i] ?? 0;
    value += (byte & 127) * 128 ** i;
    if (byte < 128) return { value, end: at + i + 1 };
  }
  return null;
}

/** A name may occur several times: then its values are a list. */
function add(properties: UserProperties, name: string, value: string): void {
  const known = properties[name];
  if (known === undefined) properties[name] = value;
  else if (Array.isArray(known)) known.push(value);
  else properties[name] = [known, value];
}

function uint16(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function malformed(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}
