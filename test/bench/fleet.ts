/** A fleet of devices on one publisher: absent ones next to present ones, a hundred thousand parked ones, and sleepers. */
import type { Bench } from "./end-to-end.ts";
import { type AbsentResult, measureAbsent } from "./fleet-absent.ts";
import type { FleetOptions } from "./fleet-options.ts";
import { measureParked, type ParkedResult } from "./fleet-parked.ts";
import { measureSleepers, type SleepersResult } from "./fleet-sleepers.ts";

export interface FleetResult {
  readonly absent: readonly AbsentResult[];
  readonly parked: ParkedResult | null;
  readonly sleepers: readonly SleepersResult[];
}

const MIB = 2 ** 20;
const MOST_IDLE_CORE = 0.03;
const MOST_RSS = 192 * MIB;
const MOST_SERVED_MS = 1_000;
/** p95 of the present devices, compared with the run that has the fewest absent ones; below this nothing is slow. */
const MOST_SLOWER = 2;
const FAST_MS = 20;
const MOST_COPIES = { "5": 1, "3.1.1": 2 };

export async function measureFleet(bench: Bench, fleet: FleetOptions): Promise<FleetResult> {
  const { parts } = fleet;
  const absent: AbsentResult[] = [];
  for (const count of parts.has("absent") ? fleet.absent : []) absent.push(await measureAbsent(bench, fleet, count));
  const parked = parts.has("parked") ? await measureParked(bench, fleet) : null;
  const sleepers = parts.has("sleepers")
    ? await Promise.all([measureSleepers(bench, fleet, "5"), measureSleepers(bench, fleet, "3.1.1")])
    : [];
  return { absent, parked, sleepers };
}

export interface FleetReport {
  readonly text: string;
  readonly faults: readonly string[];
  readonly met: boolean;
}

export function describeFleet({ absent, parked, sleepers }: FleetResult): FleetReport {
  const first = absent[0]?.ages.p95 ?? Number.NaN;
  const lines = [
    ...absent.map((result) => describeAbsent(result, first)),
    ...(parked === null ? [] : describeParked(parked)),
    ...sleepers.map(describeSleepers),
  ];
  return {
    text: lines.map(({ text, met }) => `${met ? "met   " : "MISSED"}  ${text}`).join("\n"),
    faults: [],
    met: lines.every(({ met }) => met),
  };
}

interface Line {
  readonly text: string;
  readonly met: boolean;
}

function describeAbsent({ absent, ages, share, toAbsent, parked, rss }: AbsentResult, first: number): Line {
  const text = `${whole(absent)} absent: present p50 ${whole(ages.p50)} ms, p95 ${whole(ages.p95)} ms, ${percent(share)} acknowledged; \
${toAbsent.toFixed(1)} publishes/s to absent ones, ${whole(parked)} parked, ${mib(rss)}`;
  return { text, met: share === 1 && ages.p95 <= Math.max(FAST_MS, first * MOST_SLOWER) };
}

function describeParked(result: ParkedResult): Line[] {
  const { parked, idleCore, idlePostgres, rss, peak, probesPerSecond, births, inTime, served, acknowledged } = result;
  const idle = `${whole(parked)} parked, idle: publisher ${percent(idleCore)} of a core, PostgreSQL ${percent(idlePostgres)}, \
${mib(rss)} (peak ${mib(peak)}), ${probesPerSecond.toFixed(1)} probes/s`;
  const born = `${whole(births)} births: ${percent(inTime)} served within 1 s, p50 ${whole(served.p50)} ms, p95 ${whole(served.p95)} ms, \
${whole(acknowledged)} acknowledged`;
  return [
    { text: idle, met: (idleCore ?? 0) <= MOST_IDLE_CORE && (rss ?? 0) <= MOST_RSS },
    { text: born, met: served.count === births && served.p95 <= MOST_SERVED_MS && acknowledged >= births },
  ];
}

function describeSleepers({ protocol, sleepers, atFirstWake, copies, mostCopies, acknowledged }: SleepersResult): Line {
  const text = `MQTT ${protocol}: ${atFirstWake} of ${sleepers} sleepers at the first wake, ${copies} copies (at most ${mostCopies} of one), \
${acknowledged} acknowledged`;
  return { text, met: atFirstWake === sleepers && mostCopies <= MOST_COPIES[protocol] && acknowledged === sleepers };
}

const whole = (value: number): string => (Number.isNaN(value) ? "-" : Math.round(value).toLocaleString("en"));
const percent = (value: number | null): string => (value === null ? "-" : `${(value * 100).toFixed(1)} %`);
const mib = (bytes: number | null): string => (bytes === null ? "-" : `${(bytes / MIB).toFixed(0)} MiB`);
