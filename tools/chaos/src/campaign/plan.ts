/**
 * Makes two lists of fault steps from a profile and a seed: one for processes, one for lines. The campaign plays both lists
 * at the same time, so that faults overlap.
 *
 * Invariants:
 *  CAMPAIGN_PLAN-1. The same seed gives the same lists.
 */
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import type { PacketFault } from "../proxy/packet-rules.ts";
import { type Fault, type LineName, type MqttLineName, TOPIC_ROOT, type UnitName } from "../scenarios/scenario.ts";
import { pick, type Random, seededRandom, seedFor, wholeBetween } from "../seeded-random.ts";
import type { Profile } from "./profiles.ts";

/** Faults that are active together, for how long, and the pause before the next step. */
export interface FaultStep {
  readonly faults: readonly Fault[];
  readonly forMs: number;
  readonly pauseMs: number;
  /** How often each fault of the step must hit; default: 1. */
  readonly leastHits?: number;
  /** The link may be in ERROR afterwards, where it waits for an operator. */
  readonly needsReset?: boolean;
}

export interface Plan {
  readonly processes: readonly FaultStep[];
  readonly lines: readonly FaultStep[];
}

const MQTT: readonly MqttLineName[] = ["publisher.mqtt", "acker.mqtt"];
const DATABASE: readonly LineName[] = ["publisher.db", "acker.db"];
const RETRYABLE_CODES = [0x88, 0x89, 0x97];
const BAD_CREDENTIALS = 0x86;
/** Longer than the cap of the backoff, so that at least one client connects in this period. */
const REFUSING_MS = 1_500;
const RESET_EVERY_MS = 100;
const BACKEND_EVERY_MS = 100;
const HITS_OF_A_BURST = 20;
const HOUR_MS = 3_600_000;

/** Active all the time. */
export const BACKGROUND: readonly PacketFault[] = [
  { packet: "publish", ratio: 0.01, fate: "corrupt" },
  { packet: "publish", ratio: 0.1, fate: "double" },
  { packet: "publish", ratio: 0.1, fate: "swap" },
];

/** What only some machines have. */
export interface Equipment {
  readonly nats: boolean;
  readonly disk: boolean;
}

export function planCampaign(profile: Profile, seed: number, has: Equipment): Plan {
  // CAMPAIGN_PLAN-1
  const random = seededRandom(seedFor(seed, `campaign ${profile.name}`));
  const isUsable = (fault: Fault): boolean => (has.nats || !isOfNats(fault)) && (has.disk || fault.do !== "fill-disk");
  const usable = (steps: FaultStep[]): FaultStep[] => steps.filter(({ faults }) => faults.every(isUsable));
  return {
    processes: shuffle(usable(processSteps(profile, random)), random),
    lines: shuffle(usable(lineSteps(profile, random)), random),
  };
}

function isOfNats(fault: Fault): boolean {
  return "unit" in fault ? fault.unit === "nats" : "lines" in fault && (fault.lines as LineName[]).includes("nats");
}

function processSteps(profile: Profile, random: Random): FaultStep[] {
  const steps: FaultStep[] = [];
  const add = (times: number, make: () => Omit<FaultStep, "pauseMs">): void => {
    for (let n = 0; n < times; n++) steps.push({ pauseMs: wholeBetween(random, 100, 500), ...make() });
  };
  for (const [unit, times] of Object.entries(profile.kills)) {
    const fault: Fault = { do: "kill", unit: unit as UnitName };
    add(times, () => ({ faults: [fault], forMs: wholeBetween(random, 0, 600) }));
  }
  add(profile.stops, () => ({
    faults: [{ do: "freeze", unit: pick(random, ["publisher", "acker", "broker", "postgres"] as const) }],
    forMs: wholeBetween(random, 500, profile.longestStopMs),
  }));
  add(profile.twoAtOnce, () => ({
    faults: [
      { do: "kill", unit: "publisher" },
      { do: "kill", unit: pick(random, ["broker", "acker", "postgres"] as const) },
    ],
    forMs: wholeBetween(random, 100, 600),
  }));
  add(profile.fullDisks, () => ({ faults: [{ do: "fill-disk" }], forMs: 3_000 }));
  add(profile.ackerAways, () => ({ faults: [{ do: "stop", unit: "acker" }], forMs: 60_000 }));
  add(Math.ceil(profile.rollingRestarts / 2), () => ({ faults: [{ do: "stop", unit: "publisher" }], forMs: 100 }));
  add(Math.floor(profile.rollingRestarts / 2), () => ({ faults: [{ do: "stop", unit: "acker" }], forMs: 100 }));
  const bursts = Math.ceil(profile.endedBackends / HITS_OF_A_BURST);
  add(bursts, () => ({
    faults: [{ do: "end-backends", everyMs: BACKEND_EVERY_MS }],
    forMs: 24 * BACKEND_EVERY_MS,
    leastHits: HITS_OF_A_BURST,
  }));
  return steps;
}

function lineSteps(profile: Profile, random: Random): FaultStep[] {
  const steps: FaultStep[] = [];
  const add = (times: number, forMs: number, fault: Fault, more: Partial<FaultStep> = {}): void => {
    for (let n = 0; n < times; n++) {
      steps.push({ faults: [fault], forMs, pauseMs: wholeBetween(random, 200, 600), ...more });
    }
  };
  add(profile.cuts, 5_000, { do: "cut", lines: MQTT, how: "silent" });
  add(profile.onOffs * 5, 1_000, { do: "cut", lines: MQTT, how: "refuse" }, { pauseMs: 1_000 });
  add(profile.delays, 8_000, { do: "line", lines: MQTT, quality: { delayMs: 225, jitterMs: 50 } });
  add(profile.losses, 6_000, { do: "line", lines: MQTT, quality: { lossRatio: 0.3 } });
  const lost: PacketFault = {
    packet: "publish",
    direction: "to_server",
    topicUnder: DEFAULT_ACK_PREFIX,
    fate: "lose",
  };
  add(profile.acksLost, 5_000, { do: "packets", lines: ["acker.mqtt"], faults: [lost, ...BACKGROUND] });
  const silent: PacketFault = { packet: "publish", direction: "to_client", topic: `${TOPIC_ROOT}/d9`, fate: "lose" };
  add(profile.silentDestinations, 5_000, { do: "packets", lines: ["acker.mqtt"], faults: [silent, ...BACKGROUND] });
  for (let n = 0; n < profile.clockJumps; n++) {
    const ahead = n % 2 === 0 ? HOUR_MS : -HOUR_MS;
    const faults: Fault[] = [
      { do: "set-clock", unit: "publisher", offsetMs: ahead },
      { do: "set-clock", unit: "acker", offsetMs: -ahead },
    ];
    steps.push({ faults, forMs: 3_000, pauseMs: wholeBetween(random, 200, 600) });
  }
  add(profile.halfOpen, 2_000, { do: "half-open", lines: MQTT });
  add(profile.halfOpen, 2_000, { do: "half-open", lines: DATABASE });
  add(profile.halfOpen, 2_000, { do: "half-open", lines: ["nats"] });
  add(Math.ceil(profile.resets / HITS_OF_A_BURST), 24 * RESET_EVERY_MS, {
    do: "reset",
    lines: [...MQTT, ...DATABASE],
    everyMs: RESET_EVERY_MS,
  });
  add(profile.takeOvers, 200, { do: "take-over", line: "publisher.mqtt" }, { needsReset: true });
  for (const code of RETRYABLE_CODES) add(profile.refusals, REFUSING_MS, { do: "refuse", lines: MQTT, code });
  const badCredentials: Fault = { do: "refuse", lines: ["publisher.mqtt"], code: BAD_CREDENTIALS };
  add(profile.refusals, REFUSING_MS, badCredentials, { needsReset: true });
  return steps;
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = wholeBetween(random, 0, i);
    const [a, b] = [shuffled[i], shuffled[j]];
    if (a === undefined || b === undefined) continue;
    shuffled[i] = b;
    shuffled[j] = a;
  }
  return shuffled;
}
