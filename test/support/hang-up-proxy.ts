/** A proxy that closes the connection at a PUBLISH of some topics, as brokers do that refuse them. */
import type { TestContext } from "node:test";
import { startMqttProxy } from "@acktor/chaos/proxy/mqtt-proxy";
import { cleanUp } from "./cleanup.ts";

export interface HangUpProxy {
  readonly url: string;
  connects(): number;
}

export async function startHangUpProxy(
  t: TestContext,
  target: number,
  refuses: (topic: string) => boolean,
): Promise<HangUpProxy> {
  const proxy = await startMqttProxy({ target });
  cleanUp(t, () => proxy.stop());
  let connects = 0;
  proxy.setRule(({ topic, direction, packet }) => {
    if (direction === "to_server" && packet === "connect") connects++;
    if (direction === "to_server" && packet === "publish" && topic !== undefined && refuses(topic)) {
      proxy.drop();
      return "lose";
    }
    return "pass";
  });
  return { url: proxy.url, connects: () => connects };
}
