/**
 * Latency at a light, even load: single-message intake, so many a second, open loop (a slow answer delays no later send).
 *
 * Measured twice: by the rows' own times (created → acknowledged, all messages), and from outside for every tenth message:
 * from before its POST until another connection reads `acknowledged`, looked at every millisecond or two: an upper bound.
 */
import { setTimeout as wait } from "node:timers/promises";
import { faultOf } from "./database.ts";
import { type Distribution, distributionOf } from "./distribution.ts";
import { type Bench, drained, push, type Rig, startRig } from "./end-to-end.ts";
import { Caller, messageOf } from "./load.ts";
import { type CpuCost, meterCpu } from "./process-meter.ts";
import { scoped } from "./scope.ts";

export interface LatencyResult {
  readonly ratePerSecond: number;
  /** Milliseconds, by the rows. */
  readonly byRows: Distribution;
  /** Milliseconds, from outside. */
  readonly outside: Distribution;
  /** Milliseconds from POST to 201. */
  readonly intake: Distribution;
  /** How late the caller itself was, milliseconds. */
  readonly lateness: Distribution;
  readonly cpu: CpuCost | null;
  readonly fault: string | null;
}

const WARMUP = 2_000;
const OBSERVE_EVERY = 10;
const CONNECTIONS = 32;
const OBSERVE_LIMIT_MS = 30_000;

export function measureLatency(bench: Bench, name: string): Promise<LatencyResult> {
  return scoped(async (scope) => {
    const rig = await startRig(scope, bench, name);
    await push(rig, bench.options, WARMUP);
    const sender = new Caller(rig.publisher.url, CONNECTIONS);
    scope.defer(() => sender.close());
    const cost = meterCpu(rig.roots);
    const run = await send(rig, sender, bench);
    await drained(rig);
    const cpu = cost(run.sent);
    const ages = await rig.database.rows<{ ms: number }>(
      `select (extract(epoch from acknowledged_at - created_at) * 1000)::float8 as ms
       from publisher.message_delivery where topic like 'bench/%' and content_type = '${MARK}'`,
    );
    const tally = await rig.database.tally();
    return {
      ratePerSecond: bench.options.latencyRate,
      byRows: distributionOf(ages.map((row) => row.ms)),
      outside: distributionOf(run.outside),
      intake: distributionOf(run.intake),
      lateness: distributionOf(run.lateness),
      cpu,
      fault: faultOf(tally, run.sent + WARMUP),
    };
  });
}

/** Tells measured messages from those of the warm-up. */
const MARK = "text/measured";

interface Run {
  readonly sent: number;
  readonly outside: readonly number[];
  readonly intake: readonly number[];
  readonly lateness: readonly number[];
}

async function send(rig: Rig, sender: Caller, { options }: Bench): Promise<Run> {
  const { latencyRate, latencySeconds } = options;
  const total = latencyRate * latencySeconds;
  const [outside, intake, lateness] = [[] as number[], [] as number[], [] as number[]];
  const underWay: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = startedAt + (sent * 1_000) / latencyRate;
    const now = performance.now();
    if (due > now) {
      await wait(due - now);
      continue;
    }
    lateness.push(now - due);
    const body = Buffer.from(JSON.stringify({ ...messageOf(sent, options), content_type: MARK }));
    underWay.push(sendOne(rig, sender, body, sent % OBSERVE_EVERY === 0 ? outside : null, intake));
    sent++;
  }
  await Promise.all(underWay);
  return { sent: total, outside, intake, lateness };
}

async function sendOne(
  rig: Rig,
  sender: Caller,
  body: Buffer,
  outside: number[] | null,
  intake: number[],
): Promise<void> {
  const startedAt = performance.now();
  const answer = await sender.post("/v1/messages", body);
  intake.push(performance.now() - startedAt);
  if (outside === null) return;
  const { message_id: id } = JSON.parse(answer) as { message_id: string };
  await acknowledged(rig, id);
  outside.push(performance.now() - startedAt);
}

async function acknowledged({ database }: Rig, id: string): Promise<void> {
  const giveUpAt = performance.now() + OBSERVE_LIMIT_MS;
  const look = "select state as value from publisher.message_delivery where message_id = $1::uuid";
  while ((await database.value<string>(look, [id])) !== "acknowledged") {
    if (performance.now() > giveUpAt) throw new Error(`message ${id} was not acknowledged in ${OBSERVE_LIMIT_MS} ms`);
    await wait(1);
  }
}
