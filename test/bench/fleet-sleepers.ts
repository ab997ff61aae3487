/**
 * Devices that sleep: each has a session in the broker and is awake for five seconds, once in a while. Its message is sent
 * while it sleeps. What counts is what it has at its first wake, and how many copies.
 */
import type { Bench } from "./end-to-end.ts";
import { type Arrival, connectDevice, type DeviceOptions, type Receiver } from "./fleet-device.ts";
import type { FleetOptions } from "./fleet-options.ts";
import { acknowledgedUnder, post, startFleetRig, wait } from "./fleet-rig.ts";
import { scoped } from "./scope.ts";

export interface SleepersResult {
  readonly protocol: "5" | "3.1.1";
  readonly sleepers: number;
  /** That had their message when they first woke. */
  readonly atFirstWake: number;
  /** Of the messages at the first wake: all, and the most of one message. */
  readonly copies: number;
  readonly mostCopies: number;
  readonly acknowledged: number;
}

const AWAKE_MS = 5_000;
/** The pair writes the last acks. */
const GRACE_MS = 1_000;

class Sleeper implements Receiver {
  copies = 0;
  received(_: Arrival): boolean {
    this.copies++;
    return true;
  }
}

/** @param protocol of the publisher and of the devices */
export function measureSleepers(bench: Bench, fleet: FleetOptions, protocol: "5" | "3.1.1"): Promise<SleepersResult> {
  return scoped(async (scope) => {
    const kind = protocol === "5" ? "v5" : "v311";
    // Both versions may run at a time, on one broker.
    const prefixes = { ACKTOR_ACK_PREFIX: `delivery/ack/${kind}`, ACKTOR_PRESENCE_PREFIX: `delivery/acker/${kind}` };
    const rig = await startFleetRig(scope, bench, `fleet_sleepers_${kind}`, {
      ...prefixes,
      ACKTOR_MQTT_VERSION: protocol,
      ACKTOR_BROKER_HOLD: fleet.hold,
    });
    const [least, most] = fleet.away;
    const copies = await Promise.all(
      Array.from({ length: fleet.sleepers }, async (_, index) => {
        const sleeper = new Sleeper();
        const topic = `sleeper/${kind}/${index}/cmd`;
        const device: DeviceOptions = {
          ...{ url: bench.broker.url, clientId: `sleeper-${kind}-${index}`, filters: [topic], receiver: sleeper },
          protocolVersion: protocol === "5" ? 5 : 4,
        };
        await (await connectDevice(device)).leave();
        await post(rig.caller, topic);
        await wait((least + ((most - least) * index) / fleet.sleepers) * 1_000);
        const awake = await connectDevice(device);
        await wait(AWAKE_MS);
        await awake.leave();
        return sleeper.copies;
      }),
    );
    await wait(GRACE_MS);
    return {
      ...{ protocol, sleepers: fleet.sleepers, atFirstWake: copies.filter((count) => count > 0).length },
      ...{ copies: copies.reduce((sum, count) => sum + count, 0), mostCopies: Math.max(...copies) },
      acknowledged: (await acknowledgedUnder(rig, `sleeper/${kind}/`)).ages.count,
    };
  });
}
