/**
 * A mountpoint in front of a broker, as EMQX documents it: a prefix before every topic that clients publish or subscribe to,
 * removed from what is delivered. Properties and payloads stay as they are. (mosquitto 2.0.11 does not remove it.)
 */
import net from "node:net";
import type { TestContext } from "node:test";
import mqttPacket, { type Packet } from "mqtt-packet";
import { cleanUp } from "./cleanup.ts";

/** @returns mqtt://127.0.0.1:port of the mounted listener */
export async function startMountpoint(t: TestContext, broker: string, prefix: string): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (client) => {
    const upstream = net.connect({ port: Number(new URL(broker).port), host: "127.0.0.1", noDelay: true });
    const session = { protocolVersion: 4 };
    for (const [from, to, change] of [
      [client, upstream, (packet: Packet) => mount(packet, prefix)],
      [upstream, client, (packet: Packet) => unmount(packet, prefix)],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      pipe(from, to, session, change);
    }
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, () => resolve()));
  cleanUp(t, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `mqtt://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

function pipe(
  from: net.Socket,
  to: net.Socket,
  session: { protocolVersion: number },
  change: (packet: Packet) => void,
): void {
  let parser: ReturnType<typeof mqttPacket.parser> | null = null;
  from.on("data", (bytes) => {
    parser ??= mqttPacket.parser({ protocolVersion: session.protocolVersion }).on("packet", (packet) => {
      if (packet.cmd === "connect") session.protocolVersion = packet.protocolVersion ?? 4;
      change(packet);
      to.write(mqttPacket.generate(packet, { protocolVersion: session.protocolVersion }));
    });
    parser.parse(bytes);
  });
}

function mount(packet: Packet, prefix: string): void {
  if (packet.cmd === "publish") packet.topic = prefix + packet.topic;
  else if (packet.cmd === "connect" && packet.will) packet.will.topic = prefix + packet.will.topic;
  else if (packet.cmd === "subscribe") for (const one of packet.subscriptions) one.topic = prefix + one.topic;
  else if (packet.cmd === "unsubscribe") packet.unsubscriptions = packet.unsubscriptions.map((one) => prefix + one);
}

function unmount(packet: Packet, prefix: string): void {
  if (packet.cmd === "publish" && packet.topic.startsWith(prefix)) packet.topic = packet.topic.slice(prefix.length);
}
