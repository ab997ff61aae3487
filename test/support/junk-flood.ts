/**
 * Tens of thousands of PUBLISHes from plain sockets; a driver could not make as many. They are encoded once, and written at a
 * given rate, or as fast as the broker reads.
 */
import { randomUUID } from "node:crypto";
import net from "node:net";
import type { TestContext } from "node:test";
import { generate } from "mqtt-packet";
import { cleanUp } from "./cleanup.ts";

export interface Flood {
  /** PUBLISHes that were written to the sockets. */
  readonly sent: () => number;
  stop(): void;
}

const SOCKETS = 4;
/** PUBLISHes per write. Large writes cost little CPU: this process shares the cores with the services that it floods. */
const CHUNK = 1_000;
const DIFFERENT = 20_000;
const MOST_WAITING_BYTES = 262_144;

/** @param perSecond the target rate; the broker may take less */
export async function startFlood(t: TestContext, brokerUrl: string, perSecond: number): Promise<Flood> {
  const { hostname, port } = new URL(brokerUrl);
  const sockets = await Promise.all(
    Array.from({ length: SOCKETS }, (_, n) => openSocket(t, hostname, Number(port), `flood-${n}`)),
  );
  const chunks = Array.from({ length: DIFFERENT / CHUNK }, () => Buffer.concat(Array.from({ length: CHUNK }, junk)));
  const startedAt = performance.now();
  let sent = 0;
  let turn = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond;
    for (let full = 0; sent < due && full < SOCKETS; ) {
      const socket = sockets[turn++ % SOCKETS];
      if (socket === undefined || socket.destroyed || socket.writableLength > MOST_WAITING_BYTES) full++;
      else {
        socket.write(chunks[(sent / CHUNK) % chunks.length] ?? Buffer.alloc(0));
        sent += CHUNK;
      }
    }
  }, 5);
  const stop = (): void => clearInterval(timer);
  cleanUp(t, stop);
  return { sent: () => sent, stop };
}

export async function openSocket(t: TestContext, host: string, port: number, clientId: string): Promise<net.Socket> {
  const socket = net.connect(port, host);
  cleanUp(t, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.write(
    generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId, clean: true, keepalive: 0 }),
  );
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.resume();
  return socket;
}

/** Junk under the ack prefix: unknown ids, in valid and invalid forms of an ack. */
function junk(_: unknown, at: number): Buffer {
  const id = at % 7 === 0 ? "not-an-id" : randomUUID();
  const payloads = ["{}", '{"client_id":"junk"}', "[]", "x".repeat(200), '{"signature":"hmac-sha256:00"}'];
  const payload = Buffer.from(payloads[at % payloads.length] ?? "");
  return generate({ cmd: "publish", topic: `delivery/ack/${id}`, payload, qos: 0, dup: false, retain: false });
}
