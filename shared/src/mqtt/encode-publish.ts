/**
 * PUBLISH as bytes, for MQTT 3.1.1 and 5. Pure. A property test compares it with `mqtt-packet`'s parser.
 *
 * Written by hand because it is the hot path: see the table in mqtt-transport.ts.
 */
import type { OutgoingPublish } from "./messages.ts";

const PAYLOAD_FORMAT = 0x01;
const MESSAGE_EXPIRY = 0x02;
const CONTENT_TYPE = 0x03;
const RESPONSE_TOPIC = 0x08;
const CORRELATION_DATA = 0x09;
const USER_PROPERTY = 0x26;
const MAX_TEXT = 65_535;
const MAX_EXPIRY = 4_294_967_295;

/** Bytes of the parts of one PUBLISH. */
export interface PublishSize {
  readonly topic: number;
  readonly payload: number;
  /** Properties without their length field; 0 on 3.1.1. */
  readonly properties: number;
  /** What the header calls Remaining Length. */
  readonly remaining: number;
  readonly total: number;
}

/** Measures a PUBLISH. A string payload is UTF-8. `total` is infinite where a text is longer than MQTT allows. */
export function sizeOfPublish(message: OutgoingPublish, protocolVersion: 4 | 5): PublishSize {
  const topic = sizeOfText(message.topic);
  const payload = typeof message.payload === "string" ? Buffer.byteLength(message.payload) : message.payload.length;
  const properties = protocolVersion === 5 ? sizeOfProperties(message) : 0;
  const propertyBytes = protocolVersion === 5 ? sizeOfVarint(properties) + properties : 0;
  const remaining = 2 + topic + (message.qos > 0 ? 2 : 0) + propertyBytes + payload;
  return { topic, payload, properties, remaining, total: 1 + sizeOfVarint(remaining) + remaining };
}

/**
 * Writes a PUBLISH into `target` at `offset`, where `size.total` bytes must be free.
 * @param packetId ignored at QoS 0
 */
export function writePublish(
  target: Buffer,
  offset: number,
  message: OutgoingPublish,
  protocolVersion: 4 | 5,
  packetId: number,
  size: PublishSize,
): void {
  let at = offset;
  target[at++] = 0x30 | (message.qos << 1) | (message.retain ? 1 : 0);
  at = writeVarint(target, at, size.remaining);
  at = writeText(target, at, message.topic, size.topic);
  if (message.qos > 0) at = writeUint16(target, at, packetId);
  if (protocolVersion === 5) at = writeProperties(target, writeVarint(target, at, size.properties), message);
  if (typeof message.payload === "string") target.write(message.payload, at);
  else message.payload.copy(target, at);
}

function sizeOfProperties(message: OutgoingPublish): number {
  // A string payload is valid UTF-8; the property that states this costs two bytes.
  let size = typeof message.payload === "string" ? 2 : 0;
  if (message.expirySeconds !== undefined) size += 5;
  if (message.contentType !== undefined) size += 1 + sizeOfText(message.contentType) + 2;
  if (message.responseTopic !== undefined) size += 1 + sizeOfText(message.responseTopic) + 2;
  if (message.correlationData !== undefined) size += 1 + bounded(message.correlationData.length) + 2;
  if (message.userProperties !== undefined) {
    for (const name in message.userProperties) {
      size += 1 + sizeOfText(name) + 2 + sizeOfText(message.userProperties[name] ?? "") + 2;
    }
  }
  return size;
}

function writeProperties(target: Buffer, offset: number, message: OutgoingPublish): number {
  let at = offset;
  if (typeof message.payload === "string") {
    target[at++] = PAYLOAD_FORMAT;
    target[at++] = 1;
  }
  if (message.expirySeconds !== undefined) {
    target[at++] = MESSAGE_EXPIRY;
    at = target.writeUInt32BE(Math.min(MAX_EXPIRY, Math.max(0, Math.ceil(message.expirySeconds))), at);
  }
  if (message.contentType !== undefined) at = writeTextProperty(target, at, CONTENT_TYPE, message.contentType);
  if (message.responseTopic !== undefined) at = writeTextProperty(target, at, RESPONSE_TOPIC, message.responseTopic);
  if (message.correlationData !== undefined) {
    target[at++] = CORRELATION_DATA;
    at = writeUint16(target, at, message.correlationData.length);
    at += message.correlationData.copy(target, at);
  }
  if (message.userProperties !== undefined) {
    for (const name in message.userProperties) {
      at = writeTextProperty(target, at, USER_PROPERTY, name);
      const value = message.userProperties[name] ?? "";
      at = writeText(target, at, value, Buffer.byteLength(value));
    }
  }
  return at;
}

function writeTextProperty(target: Buffer, offset: number, id: number, text: string): number {
  target[offset] = id;
  return writeText(target, offset + 1, text, Buffer.byteLength(text));
}

function writeText(target: Buffer, offset: number, text: string, bytes: number): number {
  const at = writeUint16(target, offset, bytes);
  target.write(text, at);
  return at + bytes;
}

function writeUint16(target: Buffer, offset: number, value: number): number {
  target[offset] = value >> 8;
  target[offset + 1] = value & 0xff;
  return offset + 2;
}

function sizeOfText(text: string): number {
  return bounded(Buffer.byteLength(text));
}

/** Texts and binary properties have a length of two bytes. */
function bounded(bytes: number): number {
  return bytes > MAX_TEXT ? Number.POSITIVE_INFINITY : bytes;
}

function sizeOfVarint(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}

function writeVarint(target: Buffer, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 128) {
    target[at++] = (rest & 127) | 128;
    rest >>= 7;
  }
  target[at++] = rest;
  return at;
}
