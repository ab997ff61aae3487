/** What the fleet's benchmark is asked to do. */
export const FLEET_PARTS = ["absent", "parked", "sleepers"] as const;
export type FleetPart = (typeof FLEET_PARTS)[number];

export interface FleetOptions {
  readonly parts: ReadonlySet<FleetPart>;
  /** Numbers of absent devices, one run each. */
  readonly absent: readonly number[];
  /** Messages that wait for each absent device. */
  readonly each: number;
  readonly present: number;
  readonly runSeconds: number;
  readonly idleSeconds: number;
  readonly parked: number;
  /** A second. */
  readonly births: number;
  readonly sleepers: number;
  /** Seconds that a sleeper is away, between these two. */
  readonly away: readonly [number, number];
  /** ACKTOR_BROKER_HOLD. */
  readonly hold: string;
}

export const FLEET_HELP = `
  --fleet              only: a fleet of devices on one publisher, in three parts:
    --parts absent,parked,sleepers
    --absent 0,500,5000  absent devices, one run each, next to --present 5 devices with 2 messages a second each
    --each 1             messages that wait for each absent device
    --run 15             seconds of a run, and of the births
    --parked 100000      parked devices, each with a message; then --idle 10 seconds without anything, then births
    --births 28          births a second
    --sleepers 20        devices that are awake for 5 s, of MQTT 5 and of 3.1.1 each
    --away 20-50         seconds that they are away
    --hold 0             ACKTOR_BROKER_HOLD for them`;

/** Names of the options that take a value. */
export const FLEET_VALUES = [
  ...["parts", "absent", "each", "present", "run", "idle", "parked", "births", "sleepers", "away", "hold"],
] as const;

/** Reads the options. Throws with a sentence for people. @param count a whole number above 0, or the default */
export function readFleet(
  values: Readonly<Record<string, string | boolean | undefined>>,
  count: (name: string, fallback: number) => number,
): FleetOptions {
  const list = (name: string, fallback: string): string[] => String(values[name] ?? fallback).split(",");
  const away = /^(\d+)-(\d+)$/.exec(String(values["away"] ?? "20-50"));
  if (away === null) throw new Error("--away is not two numbers of seconds, such as 20-50");
  return {
    parts: new Set(list("parts", FLEET_PARTS.join()).map(partOf)),
    absent: list("absent", "0,500,5000").map(numberOf),
    each: count("each", 1),
    present: count("present", 5),
    runSeconds: count("run", 15),
    idleSeconds: count("idle", 10),
    parked: count("parked", 100_000),
    births: count("births", 28),
    sleepers: count("sleepers", 20),
    away: [Number(away[1]), Number(away[2])],
    hold: String(values["hold"] ?? "0"),
  };
}

function partOf(text: string): FleetPart {
  const found = FLEET_PARTS.find((part) => part === text);
  if (found === undefined) throw new Error(`--parts: ${text} is not one of ${FLEET_PARTS.join(", ")}`);
  return found;
}

function numberOf(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new Error(`--absent: ${text} is not a number of devices`);
  return Number(text);
}
