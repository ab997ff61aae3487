/** A test's plain MQTT client: it sees all messages, and publishes what acktor's services never publish. */
import type { TestContext } from "node:test";
import { parseObject } from "@acktor/shared/protocol/envelope";
import mqtt from "mqtt";
import { cleanUp } from "./cleanup.ts";
import { until } from "./until.ts";

export interface Sighting {
  readonly topic: string;
  readonly payload: Buffer;
  /** Text of the payload. */
  readonly text: string;
  readonly retain: boolean;
  /** Monotonic milliseconds (`performance.now()`). */
  readonly at: number;
}

export interface Spy {
  /** All messages so far, in the broker's order. */
  readonly seen: readonly Sighting[];
  /** Resolves when the broker has accepted the message. */
  publish(topic: string, payload: string | Buffer, options?: { retain?: boolean; qos?: 0 | 1 }): Promise<void>;
  /** Waits for a sighting, including earlier ones. */
  sees(match: (sighting: Sighting) => boolean, timeoutMs: number, what: string): Promise<Sighting>;
  /** Called for each sighting from now on. */
  onMessage(listener: (sighting: Sighting) => void): void;
  end(): Promise<void>;
}

/** Connects and subscribes. MQTT 3.1.1, which every broker speaks. It disconnects with the test. */
export async function startSpy(t: TestContext, url: string, filters: readonly string[]): Promise<Spy> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 200, connectTimeout: 5_000 });
  cleanUp(t, () => client.endAsync(true));
  const seen: Sighting[] = [];
  const listeners: ((sighting: Sighting) => void)[] = [];
  // A fault that hits the spy is not a finding.
  client.on("error", () => undefined);
  client.on("message", (topic, payload, { retain }) => {
    const sighting = { topic, payload, text: payload.toString("utf8"), retain, at: performance.now() };
    seen.push(sighting);
    for (const listener of listeners) listener(sighting);
  });
  if (filters.length > 0) await client.subscribeAsync([...filters], { qos: 1 });
  return {
    seen,
    async publish(topic, payload, { retain = false, qos = 1 } = {}) {
      await client.publishAsync(topic, payload, { retain, qos });
    },
    sees: (match, timeoutMs, what) => until(() => seen.find(match), timeoutMs, what),
    onMessage: (listener) => void listeners.push(listener),
    async end() {
      await client.endAsync(true);
    },
  };
}

/** The JSON object of a sighting; throws when it is something else. */
export function objectOf(sighting: Sighting): Record<string, unknown> {
  const json = parseObject(sighting.payload);
  if (typeof json === "string") throw new Error(`${json} on ${sighting.topic}: ${sighting.text}`);
  return json;
}

/** The message_id of an envelope, or null. */
export function idOf(sighting: Sighting): string | null {
  const json = parseObject(sighting.payload);
  const id = typeof json === "string" ? undefined : json["message_id"];
  return typeof id === "string" ? id : null;
}
