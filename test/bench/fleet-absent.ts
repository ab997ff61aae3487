/**
 * What absent devices cost the present ones. The absent ones have a session in the broker and never answer, so that the broker
 * accepts each message for them.
 */
import { until } from "../support/until.ts";
import type { Distribution } from "./distribution.ts";
import type { Bench } from "./end-to-end.ts";
import { type Arrival, connectDevice } from "./fleet-device.ts";
import type { FleetOptions } from "./fleet-options.ts";
import { acknowledgedUnder, type FleetRig, paced, post, postAll, startFleetRig, wait } from "./fleet-rig.ts";
import { readMemory } from "./process-meter.ts";
import { type Scope, scoped } from "./scope.ts";

export interface AbsentResult {
  readonly absent: number;
  /** Of the present devices' messages. */
  readonly ages: Distribution;
  readonly share: number;
  /** PUBLISHes to absent devices, a second. */
  readonly toAbsent: number;
  readonly parked: number;
  readonly rss: number | null;
}

/** Each present device, a second. */
const RATE = 2;
/** For the answers to the last messages. */
const GRACE_MS = 2_000;

/** Everything that is sent to the absent devices arrives here. */
class Crowd {
  arrivals = 0;
  received(): boolean {
    this.arrivals++;
    return false;
  }
}

export function measureAbsent(bench: Bench, fleet: FleetOptions, absent: number): Promise<AbsentResult> {
  return scoped(async (scope) => {
    const rig = await startFleetRig(scope, bench, `fleet_absent_${absent}`);
    const crowd = await connectCrowd(scope, bench);
    const topics = await connectPresent(scope, bench, fleet.present);
    await answered(rig, topics);
    const away = Array.from({ length: absent }, (_, index) => `fleet/${index}/cmd`);
    for (let each = 0; each < fleet.each; each++) await postAll(rig, away);
    const before = crowd.arrivals;
    const startedAt = performance.now();
    await paced(RATE * topics.length, fleet.runSeconds, (index) => post(rig.caller, topicAt(topics, index)));
    await wait(GRACE_MS);
    const seconds = (performance.now() - startedAt) / 1_000;
    const { sent, ages } = await acknowledgedUnder(rig, "present/");
    return {
      ...{ absent, ages, share: ages.count / sent, toAbsent: (crowd.arrivals - before) / seconds },
      parked: await rig.database.value<number>(PARKED),
      rss: readMemory(rig.publisher.pid)?.now ?? null,
    };
  });
}

const PARKED = "select count(*)::int4 as value from publisher.destination where parked_at is not null";

async function connectCrowd(scope: Scope, bench: Bench): Promise<Crowd> {
  const crowd = new Crowd();
  const device = await connectDevice({
    ...{ url: bench.broker.url, clientId: "crowd", protocolVersion: 5, filters: ["fleet/+/cmd"], receiver: crowd },
  });
  scope.defer(() => device.leave());
  return crowd;
}

async function connectPresent(scope: Scope, bench: Bench, count: number): Promise<string[]> {
  const receiver = { received: (_: Arrival) => true };
  const topics = Array.from({ length: count }, (_, index) => `present/${index}/cmd`);
  for (const [index, topic] of topics.entries()) {
    const device = await connectDevice({
      ...{ url: bench.broker.url, clientId: `present-${index}`, protocolVersion: 5, filters: [topic], receiver },
    });
    scope.defer(() => device.leave());
  }
  return topics;
}

/** The present devices have answered before: that is what an ordinary day looks like. */
async function answered(rig: FleetRig, topics: readonly string[]): Promise<void> {
  await postAll(rig, topics);
  await until(async () => (await rig.database.waiting(1)) === 0, 20_000, "the present devices to answer");
}

function topicAt(topics: readonly string[], index: number): string {
  return topics[index % topics.length] ?? "";
}
