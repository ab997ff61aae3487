/** Devices of the fleet's benchmark: one MQTT connection that stands for one device or for a crowd of them. */
import type { Socket } from "node:net";
import mqtt, { type MqttClient } from "mqtt";

/** What a device has received. */
export interface Arrival {
  readonly topic: string;
  readonly messageId: string;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** Decides about each arrival. */
export interface Receiver {
  /** @returns true when the device acknowledges the message */
  received(arrival: Arrival): boolean;
}

export interface DeviceOptions {
  readonly url: string;
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
  readonly filters: readonly string[];
  readonly receiver: Receiver;
}

/** How long a broker keeps the session of an absent device. */
const SESSION_SECONDS = 3_600;

/** Connects with a persistent session. */
export async function connectDevice(options: DeviceOptions): Promise<Device> {
  const { url, clientId, protocolVersion, filters } = options;
  const client = mqtt.connect(url, {
    ...{ clientId, protocolVersion, clean: false, reconnectPeriod: 0, manualConnect: true },
    ...(protocolVersion === 5
      ? { properties: { sessionExpiryInterval: SESSION_SECONDS, receiveMaximum: 65_535 } }
      : {}),
  });
  const device = new Device(client, options);
  await new Promise<void>((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
    client.connect();
  });
  (client.stream as unknown as Socket).setNoDelay(true);
  await client.subscribeAsync([...filters], { qos: 1 });
  return device;
}

export class Device {
  readonly #client: MqttClient;

  /** Listens from before the connection on: a session delivers what has waited before SUBACK. */
  constructor(client: MqttClient, { clientId, receiver }: DeviceOptions) {
    this.#client = client;
    const ack = JSON.stringify({ client_id: clientId });
    client.on("message", (topic, payload) => {
      const { message_id: messageId, ack_topic: ackTopic } = JSON.parse(payload.toString()) as Envelope;
      if (receiver.received({ topic, messageId, at: performance.now() })) this.publish(ackTopic, ack);
    });
  }

  publish(topic: string, payload: string): void {
    this.#client.publish(topic, payload, { qos: 1 }, ignore);
  }

  /** Goes away without a word; its session stays. */
  async leave(): Promise<void> {
    await this.#client.endAsync();
  }
}

interface Envelope {
  readonly message_id: string;
  readonly ack_topic: string;
}

/** A PUBLISH that ends with its connection is the device's absence. */
function ignore(): void {}
