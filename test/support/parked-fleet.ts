/** A fleet of devices that have been silent for an hour, and one client that stands for those that come back. */
import type { TestContext } from "node:test";
import type { TestOutbox } from "./outbox.ts";
import { objectOf, type Spy, startSpy } from "./spy.ts";
import { until } from "./until.ts";

/** One message waits for each of `devices` devices, on `devices/<n>/cmd`; no probe is due for an hour. */
export async function parkFleet({ sql }: Pick<TestOutbox, "sql">, devices: number): Promise<void> {
  await sql(
    `insert into publisher.message_delivery (message_id, topic, payload, checksum)
     select publisher.uuid_v7(now()), 'devices/' || n || '/cmd', 'x', 'sha256:' || encode(sha256('x'), 'hex')
     from generate_series(0, $1::int4 - 1) n`,
    [devices],
  );
  await sql(`update publisher.message_delivery set state = 'sent', attempts = 3, parked = true, due_at = now() - interval '1 minute',
    sent_at = now() - interval '1 hour', last_outcome = 'acked'`);
  await sql(`insert into publisher.destination (destination, covers_below, parked_at, probe_at, pause_ms, misses)
    select topic, false, now() - interval '1 hour', now() + interval '1 hour', 60000, 10 from publisher.message_delivery`);
  await sql("analyze publisher.message_delivery, publisher.destination");
}

/** Devices that are there: each acknowledges what it gets. */
export class Awake {
  readonly #spy: Spy;
  readonly #awake = new Set<string>();
  /** Topics in the order of their first message. */
  readonly served = new Set<string>();

  private constructor(spy: Spy) {
    this.#spy = spy;
    spy.onMessage((sighting) => {
      if (!this.#awake.has(sighting.topic)) return;
      this.served.add(sighting.topic);
      void spy.publish(String(objectOf(sighting)["ack_topic"]), '{"client_id":"device"}');
    });
  }

  static async start(t: TestContext, url: string): Promise<Awake> {
    return new Awake(await startSpy(t, url, ["devices/+/cmd"]));
  }

  /** The device answers from now on, and this message tells it. */
  async says(device: number | string, topic: string, payload: string, retain = false): Promise<void> {
    this.#awake.add(`devices/${device}/cmd`);
    await this.#spy.publish(topic, payload, { retain });
  }

  /** The device announces itself as an acker does, or as a device does that has no clock. */
  async born(device: number | string, filter: string, more: object = { since: Date.now() / 1_000 }): Promise<void> {
    const instance = `device-${device}`;
    const birth = JSON.stringify({ instance, status: "online", filters: [filter], ...more });
    await this.says(device, `delivery/acker/${instance}`, birth);
  }

  /** Waits until so many devices have their message. */
  async all(count: number, timeoutMs: number): Promise<void> {
    await until(() => this.served.size >= count, timeoutMs, `${count} devices to be served`);
  }
}
