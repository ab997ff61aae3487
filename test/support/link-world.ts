/** The link machine in simulated time. The test drives its sessions and counts those that are open. */
import { classifyFailure, remedyFor } from "@acktor/shared/link/classify-failure";
import type { BrokerLimits } from "@acktor/shared/link/link";
import type {
  LinkContext,
  LinkEvent,
  LinkFact,
  LinkInput,
  SessionEvent,
  SessionInput,
} from "@acktor/shared/link/link-context";
import { linkMachine } from "@acktor/shared/link/link-machine";
import { DEFAULT_POLICY, type LinkPolicy } from "@acktor/shared/link/link-policy";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import { type Actor, createActor, fromCallback, SimulatedClock } from "xstate";

export const LIMITS: BrokerLimits = {
  receiveMaximum: 65_535,
  maximumPacketSize: 268_435_460,
  maximumQos: 2,
  retainAvailable: true,
  sharedSubscriptions: true,
};

export interface LinkWorld {
  readonly actor: Actor<typeof linkMachine>;
  readonly clock: SimulatedClock;
  readonly facts: LinkFact[];
  /** Versions of all sessions so far, the newest last. */
  readonly versions: (4 | 5)[];
  /** Sessions that are open now. */
  live(): number;
  /** An event of the open session; without one it has no effect. */
  say(event: SessionEvent): void;
  connected(): void;
  ended(input: FailureInput): void;
  /** The open session ends by its own error. */
  crash(error: Error): void;
  send(event: LinkEvent): void;
  /** Lets time pass in steps of 10 ms, so that timers set by timers fire too. */
  pass(ms: number): void;
  context(): LinkContext;
  /** `CONNECTED/CLOSED` */
  state(): string;
}

export function linkInput(policy: Partial<LinkPolicy> = {}, random = () => 0.5, now = () => 0): LinkInput {
  return {
    policy: { ...DEFAULT_POLICY, ...policy },
    broker: "mqtt://broker:1883",
    clientId: "test",
    hasWill: true,
    clock: { now, wallClock: now },
    random: { next: random },
  };
}

export const sessionEnded = (input: FailureInput): SessionEvent => ({
  type: "session.ended",
  failure: classifyFailure(input),
  remedy: remedyFor(input),
});

export function linkWorld(policy: Partial<LinkPolicy> = {}, random = () => 0.5): LinkWorld {
  const clock = new SimulatedClock();
  const facts: LinkFact[] = [];
  const versions: (4 | 5)[] = [];
  const sessions = new Set<(event: SessionEvent) => void>();
  let crashNext: Error | null = null;
  const session = fromCallback<{ type: string }, SessionInput>(({ input, sendBack, receive }) => {
    if (crashNext !== null) throw crashNext;
    versions.push(input.protocolVersion);
    sessions.add(sendBack);
    receive(() => undefined);
    return () => void sessions.delete(sendBack);
  });
  const actor = createActor(linkMachine.provide({ actors: { session } }), {
    clock,
    input: linkInput(policy, random, () => clock.now()),
  });
  actor.on("*", (fact) => facts.push(fact));
  actor.start();
  const say = (event: SessionEvent): void => {
    for (const tell of [...sessions]) tell(event);
  };
  const context = (): LinkContext => actor.getSnapshot().context;
  return {
    actor,
    clock,
    facts,
    versions,
    say,
    context,
    live: () => sessions.size,
    connected: () => say({ type: "session.connected", limits: LIMITS }),
    ended: (input) => say(sessionEnded(input)),
    crash(error) {
      crashNext = error;
      actor.send({ type: "link.reset" });
      crashNext = null;
    },
    send: (event) => actor.send(event),
    pass(ms) {
      for (let left = ms; left > 0; left -= 10) clock.increment(Math.min(10, left));
    },
    state: () => `${context().at.connection}/${context().at.breaker}`,
  };
}

/** A link that is CONNECTED. */
export function connectedWorld(...parameters: Parameters<typeof linkWorld>): LinkWorld {
  const world = linkWorld(...parameters);
  world.send({ type: "link.connect" });
  world.connected();
  return world;
}

/** Fails `times` connects in a row, and waits for the backoff after each. */
export function failConnects(world: LinkWorld, times: number): void {
  for (let i = 0; i < times; i++) {
    world.ended({ kind: "error", code: "ECONNREFUSED", message: "connect ECONNREFUSED" });
    if (i < times - 1) passUntilConnecting(world);
  }
}

/** @returns the milliseconds that passed */
export function passUntilConnecting(world: LinkWorld): number {
  let passed = 0;
  for (; world.context().at.connection !== "CONNECTING" && passed < 120_000; passed += 10) world.pass(10);
  return passed;
}
