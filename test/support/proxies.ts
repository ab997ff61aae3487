/** The fault lab's proxies in front of a server of the test; they stop with it. */
import type { TestContext } from "node:test";
import { type MqttProxy, startMqttProxy } from "@acktor/chaos/proxy/mqtt-proxy";
import { startTcpProxy, type TcpProxy } from "@acktor/chaos/proxy/tcp-proxy";
import { cleanUp } from "./cleanup.ts";

export async function testTcpProxy(t: TestContext, target: number): Promise<TcpProxy> {
  const proxy = await startTcpProxy({ target });
  cleanUp(t, () => proxy.stop());
  return proxy;
}

export async function testMqttProxy(t: TestContext, brokerPort: number): Promise<MqttProxy> {
  const proxy = await startMqttProxy({ target: brokerPort });
  cleanUp(t, () => proxy.stop());
  return proxy;
}
