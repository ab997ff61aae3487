/**
 * A device with a persistent session that sleeps: it subscribes once, disconnects, and is awake for moments. It has none of our
 * code: it answers each copy of an envelope on its ack topic.
 */
import { parseObject } from "@acktor/shared/protocol/envelope";
import mqtt, { type MqttClient } from "mqtt";

/** For as long as any trial; a session without an expiry ends with its connection on MQTT 5. */
const SESSION_SECONDS = 86_400;

export interface SleeperOptions {
  readonly url: string;
  readonly name: string;
  readonly filter: string;
  readonly version: 4 | 5;
}

export class Sleeper {
  /** Copies received, by message id. */
  readonly copies = new Map<string, number>();
  /** Message ids in the order of their first copy. */
  readonly order: string[] = [];
  /** Whether the broker had the session at the last wake. */
  sessionPresent = false;
  readonly #options: SleeperOptions;

  constructor(options: SleeperOptions) {
    this.#options = options;
  }

  /** Makes the session at the broker and leaves. */
  async enrol(): Promise<void> {
    const client = await this.#connect();
    await client.subscribeAsync(this.#options.filter, { qos: 1 });
    await client.endAsync();
  }

  /** One awakening. It does not subscribe again unless the broker lost its session. @returns copies of this awakening */
  async wake(awakeMs: number): Promise<number> {
    const { filter } = this.#options;
    const before = this.received;
    const client = await this.#connect();
    if (!this.sessionPresent) await client.subscribeAsync(filter, { qos: 1 });
    await new Promise((resolve) => setTimeout(resolve, awakeMs));
    await client.endAsync();
    return this.received - before;
  }

  get received(): number {
    return [...this.copies.values()].reduce((sum, copies) => sum + copies, 0);
  }

  /** Listens from before the connection: the broker sends what waits with its CONNACK. */
  #connect(): Promise<MqttClient> {
    const { url, name, version } = this.#options;
    const client = mqtt.connect(url, {
      ...{ clientId: name, protocolVersion: version, clean: false, reconnectPeriod: 0, connectTimeout: 10_000 },
      ...(version === 5 ? { properties: { sessionExpiryInterval: SESSION_SECONDS } } : {}),
    });
    client.on("message", (_topic, payload) => this.#take(client, payload));
    return new Promise((resolve, reject) => {
      client.once("error", reject);
      client.once("connect", ({ sessionPresent }) => {
        this.sessionPresent = sessionPresent;
        client.on("error", () => undefined);
        resolve(client);
      });
    });
  }

  #take(client: MqttClient, payload: Buffer): void {
    const envelope = parseObject(payload);
    const id = typeof envelope === "string" ? undefined : envelope["message_id"];
    const answerOn = typeof envelope === "string" ? undefined : envelope["ack_topic"];
    if (typeof id !== "string" || typeof answerOn !== "string") return;
    const seen = this.copies.get(id) ?? 0;
    if (seen === 0) this.order.push(id);
    this.copies.set(id, seen + 1);
    client.publish(answerOn, JSON.stringify({ client_id: this.#options.name }), { qos: 1 });
  }
}
