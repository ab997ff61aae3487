/** What the benchmark is asked to do: its command line, read once. */
import { parseArgs } from "node:util";
import { FLEET_HELP, FLEET_VALUES, type FleetOptions, readFleet } from "./fleet-options.ts";

export const PHASES = ["raw", "e2e", "latency", "memory"] as const;
export type Phase = (typeof PHASES)[number];

export interface BenchOptions {
  readonly messages: number;
  /** Sent before the clock starts, so that code is compiled and caches are filled. */
  readonly warmup: number;
  readonly rounds: number;
  readonly phases: ReadonlySet<Phase>;
  /** Also measure the claim with 0 and 1,000,000 finished rows. */
  readonly claim: boolean;
  /** Only what inspection costs: end to end of a build without it, without a viewer, with one. */
  readonly inspect: boolean;
  /** Only compare a handler's fragment with the built-in inbox handler. */
  readonly handlers: boolean;
  /** Only what authentication costs: without a key, with HMAC, with Ed25519. */
  readonly keys: boolean;
  /** Only a fleet of devices. */
  readonly fleet: FleetOptions | null;
  readonly broker: "mosquitto" | "aedes" | "auto";
  /** Un-answered messages at most, of the raw round trip and of the publisher. */
  readonly window: number;
  readonly topics: number;
  readonly contentBytes: number;
  /** Messages of one intake request. */
  readonly batch: number;
  /** Intake requests under way at a time. */
  readonly connections: number;
  /** Messages that may be sent and not acknowledged while intake continues; null = no limit: most of them wait at first. */
  readonly backlog: number | null;
  readonly latencySeconds: number;
  readonly latencyRate: number;
  /** Rows that wait while memory is measured. */
  readonly waiting: number;
  /** Folder for CPU profiles of publisher and acker, or null. */
  readonly profileDir: string | null;
  /** Exit 1 when a target is missed, too. */
  readonly strict: boolean;
}

export const HELP = `npm run bench -- [options]
  --messages 60000     messages of each raw and end-to-end run
  --warmup 20000       messages before the clock starts
  --rounds 2           raw and end-to-end runs, alternately
  --only raw,e2e       of raw, e2e, latency, memory; default all
  --skip memory        all but these
  --claim              also the claim's time with 0 and 1,000,000 finished rows
  --inspect            what inspection costs: a build without it, no viewer, one viewer; alternately, nothing else
  --handlers           only: a handler that returns a fragment, compared with the built-in one
  --keys               only: what authentication costs, without a key, with HMAC, with Ed25519, alternately${FLEET_HELP}
  --broker auto        mosquitto, aedes, or auto: mosquitto where it is installed
  --window 512         un-acked messages at most, raw and end to end
  --topics 16          topics, so destinations, that the messages are spread over
  --bytes 256          content of a message
  --batch 500          messages of an intake request
  --connections 4      intake requests under way at a time
  --backlog 5000       rows that may wait while intake continues; none = no limit
  --seconds 20         length of the latency run
  --rate 200           messages a second of the latency run
  --waiting 200000     rows that wait while memory is measured
  --profile DIR        write CPU profiles of publisher and acker into DIR (slows them down)
  --strict             exit 1 when a target is missed, not only when a message is`;

export type ParsedOptions =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "help" }
  | { readonly kind: "fault"; readonly fault: string };

export function parseOptions(args: readonly string[]): ParsedOptions {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const numbers = [
    "messages",
    "warmup",
    "rounds",
    "window",
    "topics",
    "bytes",
    "batch",
    "connections",
    "seconds",
    "rate",
  ];
  const options = {
    ...Object.fromEntries(
      [...numbers, "waiting", "backlog", "only", "skip", "broker", "profile", ...FLEET_VALUES].map((n) => [n, text]),
    ),
    claim: flag,
    inspect: flag,
    handlers: flag,
    keys: flag,
    fleet: flag,
    strict: flag,
    help: flag,
  };
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true });
    return values["help"] === true ? { kind: "help" } : { kind: "run", options: read(values) };
  } catch (error) {
    return { kind: "fault", fault: (error as Error).message };
  }
}

type Values = Readonly<Record<string, string | boolean | undefined>>;

function read(values: Values): BenchOptions {
  return {
    messages: count(values, "messages", 60_000),
    warmup: count(values, "warmup", 20_000),
    rounds: count(values, "rounds", 2),
    phases: phasesOf(values),
    claim: values["claim"] === true,
    inspect: values["inspect"] === true,
    handlers: values["handlers"] === true,
    keys: values["keys"] === true,
    fleet: values["fleet"] === true ? readFleet(values, (name, fallback) => count(values, name, fallback)) : null,
    broker: oneOf(values["broker"] ?? "auto", ["auto", "mosquitto", "aedes"]),
    window: count(values, "window", 512),
    topics: count(values, "topics", 16),
    contentBytes: count(values, "bytes", 256),
    batch: count(values, "batch", 500),
    connections: count(values, "connections", 4),
    backlog: values["backlog"] === "none" ? null : count(values, "backlog", 5_000),
    latencySeconds: count(values, "seconds", 20),
    latencyRate: count(values, "rate", 200),
    waiting: count(values, "waiting", 200_000),
    profileDir: typeof values["profile"] === "string" ? values["profile"] : null,
    strict: values["strict"] === true,
  };
}

function phasesOf(values: Values): Set<Phase> {
  const names = (name: string): Phase[] => {
    const text = values[name];
    return typeof text === "string" ? text.split(",").map((item) => oneOf(item.trim(), PHASES)) : [];
  };
  const only = names("only");
  const skip = names("skip");
  return new Set((only.length > 0 ? only : PHASES).filter((phase) => !skip.includes(phase)));
}

function oneOf<const T extends string>(value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((item) => item === value);
  if (found === undefined) throw new Error(`${String(value)} is not one of ${allowed.join(", ")}`);
  return found;
}

function count(values: Values, name: string, fallback: number): number {
  const text = values[name];
  if (typeof text !== "string") return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is not a whole number above 0: ${text}`);
  return value;
}
