/**
 * PUBLISHes by the ten thousand, from a plain socket: a driver could not make as many. They are encoded once, and written as
 * fast as a rate allows and the broker takes them.
 */
import { randomUUID } from "node:crypto";
import net from "node:net";
import type { TestContext } from "node:test";
import { generate } from "mqtt-packet";
import { cleanUp } from "./cleanup.ts";

export interface Flood {
  /** PUBLISHes that the socket has taken. */
  readonly sent: () => number;
  stop(): void;
}

const CHUNK = 500;
const DIFFERENT = 10_000;

/** @param perSecond what is aimed at; less where the broker does not take it */
export async function startFlood(t: TestContext, brokerUrl: string, perSecond: number): Promise<Flood> {
  const { hostname, port } = new URL(brokerUrl);
  const socket = net.connect(Number(port), hostname);
  cleanUp(t, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.write(
    generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "flood", clean: true, keepalive: 0 }),
  );
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.resume();
  const chunks = Array.from({ length: DIFFERENT / CHUNK }, () => Buffer.concat(Array.from({ length: CHUNK }, junk)));
  const startedAt = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond;
    while (sent < due && socket.writableLength < 1_048_576 && !socket.destroyed) {
      socket.write(chunks[(sent / CHUNK) % chunks.length] ?? Buffer.alloc(0));
      sent += CHUNK;
    }
  }, 5);
  const stop = (): void => clearInterval(timer);
  cleanUp(t, stop);
  return { sent: () => sent, stop };
}

/** Under the ack prefix: ids that do not exist, forms that an ack may have, and forms that it may not. */
function junk(_: unknown, at: number): Buffer {
  const id = at % 7 === 0 ? "not-an-id" : randomUUID();
  const payloads = ["{}", '{"client_id":"junk"}', "[]", "x".repeat(200), '{"signature":"hmac-sha256:00"}'];
  const payload = Buffer.from(payloads[at % payloads.length] ?? "");
  return generate({ cmd: "publish", topic: `delivery/ack/${id}`, payload, qos: 0, dup: false, retain: false });
}
