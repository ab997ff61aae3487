/** How much a campaign does: the fault matrix, as `ci` for every change and as `long` for the long campaign. */
import type { PoisonCounts } from "./poison.ts";

export interface Profile {
  readonly name: "ci" | "long";
  /** Messages per second, and how many must be accepted in total. */
  readonly rate: number;
  readonly leastMessages: number;
  readonly kills: Readonly<Record<"publisher" | "acker" | "broker" | "postgres" | "nats", number>>;
  readonly endedBackends: number;
  readonly twoAtOnce: number;
  readonly stops: number;
  readonly longestStopMs: number;
  readonly cuts: number;
  readonly onOffs: number;
  readonly delays: number;
  readonly losses: number;
  readonly acksLost: number;
  /** For each of MQTT, PostgreSQL and NATS. */
  readonly halfOpen: number;
  readonly resets: number;
  readonly ackStorm: number;
  readonly forgedAcks: number;
  readonly takeOvers: number;
  /** For each code. */
  readonly refusals: number;
  readonly rollingRestarts: number;
  readonly poison: PoisonCounts;
  /** One of ten destinations. */
  readonly silentDestinations: number;
  readonly clockJumps: number;
  /** Only where the lab can mount a disk. */
  readonly fullDisks: number;
  /** The acker is stopped for a minute; more than 1,000 messages are due afterwards. */
  readonly ackerAways: number;
  /** After the faults: only traffic, to measure the heap; 0 = left out. */
  readonly steadyMs: number;
}

const CI: Profile = {
  name: "ci",
  rate: 110,
  leastMessages: 6_000,
  kills: { publisher: 8, acker: 6, broker: 4, postgres: 2, nats: 2 },
  endedBackends: 20,
  twoAtOnce: 1,
  stops: 6,
  longestStopMs: 2_000,
  cuts: 1,
  onOffs: 1,
  delays: 1,
  losses: 1,
  acksLost: 1,
  halfOpen: 1,
  resets: 20,
  ackStorm: 10_000,
  forgedAcks: 200,
  takeOvers: 2,
  refusals: 1,
  rollingRestarts: 2,
  poison: { throws: 7, kills: 3, fine: 10 },
  silentDestinations: 1,
  clockJumps: 1,
  fullDisks: 0,
  ackerAways: 0,
  steadyMs: 0,
};

const LONG: Profile = {
  name: "long",
  rate: 180,
  leastMessages: 300_000,
  kills: { publisher: 200, acker: 150, broker: 80, postgres: 40, nats: 30 },
  endedBackends: 300,
  twoAtOnce: 30,
  stops: 80,
  longestStopMs: 15_000,
  cuts: 20,
  onOffs: 10,
  delays: 10,
  losses: 10,
  acksLost: 20,
  halfOpen: 20,
  resets: 500,
  ackStorm: 1_000_000,
  forgedAcks: 10_000,
  takeOvers: 50,
  refusals: 20,
  rollingRestarts: 50,
  poison: { throws: 950, kills: 50, fine: 500 },
  silentDestinations: 20,
  clockJumps: 5,
  fullDisks: 5,
  ackerAways: 5,
  steadyMs: 180_000,
};

export const PROFILES: Readonly<Record<Profile["name"], Profile>> = { ci: CI, long: LONG };
