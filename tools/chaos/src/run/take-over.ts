/** Connects a second client with the id of a connected client. The broker must close the first connection (MQTT 3.1.4). */
import net from "node:net";
import { FrameReader, parseFrame, writeFrame } from "../proxy/mqtt-frames.ts";
import type { MqttProxy } from "../proxy/mqtt-proxy.ts";
import { becomesTrue } from "../world/until.ts";
import type { Injection } from "./inject-lines.ts";

const LIMIT_MS = 3_000;

/** Connects directly to the broker, with the id of the last client that connected through the proxy. */
export async function takeOver(line: MqttProxy, brokerPort: number): Promise<Injection> {
  const clientId = line.clientIds().at(-1) ?? "";
  const socket = net.connect({ host: "127.0.0.1", port: brokerPort });
  const reader = new FrameReader();
  let accepted = false;
  socket.on("error", () => undefined); // Followed by close; only the CONNACK proves success.
  socket.on("data", (chunk) => {
    for (const frame of reader.read(chunk) ?? []) {
      const packet = parseFrame(frame, 4);
      if (packet?.cmd === "connack" && packet.returnCode === 0) accepted = true;
    }
  });
  socket.write(
    writeFrame({ cmd: "connect", clientId, clean: true, keepalive: 30, protocolId: "MQTT", protocolVersion: 4 }, 4),
  );
  await becomesTrue(() => accepted || socket.destroyed, LIMIT_MS);
  return {
    hits: () => (accepted && clientId !== "" ? 1 : 0),
    async end() {
      if (!socket.destroyed && socket.writable) socket.end(writeFrame({ cmd: "disconnect" }, 4));
      socket.destroySoon();
    },
  };
}
