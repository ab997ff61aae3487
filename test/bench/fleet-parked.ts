/**
 * A large fleet of parked devices: what it costs while nothing happens, and how soon a device has its message after its birth.
 * One connection stands for the fleet: it answers for the devices that are born, and for no other.
 */
import { encodePresence } from "@acktor/shared/protocol/presence";
import { type Distribution, distributionOf } from "./distribution.ts";
import type { Bench } from "./end-to-end.ts";
import { type Arrival, connectDevice, type Device, type Receiver } from "./fleet-device.ts";
import type { FleetOptions } from "./fleet-options.ts";
import { acknowledgedUnder, paced, startFleetPublisher, startFleetRig, wait } from "./fleet-rig.ts";
import { meterCpu, readMemory } from "./process-meter.ts";
import { scoped } from "./scope.ts";

export interface ParkedResult {
  readonly parked: number;
  /** Share of a core that the publisher used while nothing happened, and PostgreSQL. */
  readonly idleCore: number | null;
  readonly idlePostgres: number | null;
  readonly rss: number | null;
  readonly peak: number | null;
  readonly probesPerSecond: number;
  readonly births: number;
  /** Share of the born devices that had their message within a second. */
  readonly inTime: number;
  /** From the birth to the message. */
  readonly served: Distribution;
  readonly acknowledged: number;
}

const SETTLE_MS = 3_000;
const GRACE_MS = 5_000;
const IN_TIME_MS = 1_000;

/** Devices of every second number announce their exact topic, the others a prefix. */
const filterOf = (device: number): string => (device % 2 === 0 ? `fleet/${device}/cmd` : `fleet/${device}/#`);
const topicOf = (device: number): string => `fleet/${device}/cmd`;

class Fleet implements Receiver {
  arrivals = 0;
  readonly #bornAt = new Map<string, number>();
  readonly #servedMs = new Map<string, number>();

  received({ topic, at }: Arrival): boolean {
    this.arrivals++;
    const bornAt = this.#bornAt.get(topic);
    if (bornAt === undefined) return false;
    if (!this.#servedMs.has(topic)) this.#servedMs.set(topic, at - bornAt);
    return true;
  }

  born(device: number, connection: Device): void {
    const instance = `device-${device}`;
    this.#bornAt.set(topicOf(device), performance.now());
    const birth = encodePresence({
      ...{ instance, status: "online", filters: [filterOf(device)], since: Date.now() / 1_000 },
    });
    connection.publish(`delivery/acker/${instance}`, birth);
  }

  servedMs(): number[] {
    return [...this.#servedMs.values()];
  }
}

export function measureParked(bench: Bench, fleet: FleetOptions): Promise<ParkedResult> {
  const { parked, births, runSeconds, idleSeconds } = fleet;
  return scoped(async (scope) => {
    const rig = await startFleetRig(scope, bench, "fleet_parked");
    await rig.publisher.stop();
    await rig.database.rows(SEED(parked));
    await rig.database.rows("analyze publisher.message_delivery, publisher.destination");
    const publisher = await startFleetPublisher(scope, bench, rig.database);
    const devices = new Fleet();
    const connection = await connectDevice({
      ...{ url: bench.broker.url, clientId: "fleet", protocolVersion: 5, filters: ["fleet/+/cmd"], receiver: devices },
    });
    scope.defer(() => connection.leave());
    await wait(SETTLE_MS);
    const before = devices.arrivals;
    const cpu = meterCpu({ publisher: publisher.pid, postgres: bench.postgres.pid });
    await wait(idleSeconds * 1_000);
    const idle = cpu(1)?.usPerMessage;
    const core = (name: string): number | null =>
      idle === undefined ? null : (idle[name] ?? 0) / (idleSeconds * 1_000_000);
    const probesPerSecond = (devices.arrivals - before) / idleSeconds;
    const rss = readMemory(publisher.pid)?.now ?? null;
    // Spread over the fleet, as devices come back in no order.
    const step = Math.max(1, Math.floor(parked / (births * runSeconds)));
    await paced(births, runSeconds, async (index) => devices.born(index * step, connection));
    await wait(GRACE_MS);
    const served = devices.servedMs();
    const total = births * runSeconds;
    return {
      ...{ parked, idleCore: core("publisher"), idlePostgres: core("postgres"), rss, probesPerSecond, births: total },
      peak: readMemory(publisher.pid)?.peak ?? null,
      inTime: served.filter((ms) => ms <= IN_TIME_MS).length / total,
      served: distributionOf(served),
      acknowledged: (await acknowledgedUnder(rig, "fleet/")).ages.count,
    };
  });
}

/** The fleet as it is after a day: each device has one message, and never answered, so that its pause is the longest. */
const SEED = (devices: number): string => `do $$
begin
  insert into publisher.message_delivery (message_id, topic, payload, checksum)
  select publisher.uuid_v7(now()), 'fleet/' || n || '/cmd', 'x', 'sha256:' || encode(sha256('x'), 'hex')
  from generate_series(0, ${devices} - 1) n;
  update publisher.message_delivery set state = 'sent', attempts = 3, parked = true, due_at = now() - interval '1 minute',
    sent_at = now() - interval '1 hour', last_outcome = 'acked';
  insert into publisher.destination (destination, covers_below, parked_at, probe_at, pause_ms, misses)
  select topic, false, now() - interval '1 hour', now() + random() * interval '15 minutes', 900000, 10
  from publisher.message_delivery;
end $$`;
