/** Instances on a bus without a service: a machine to watch, a receiver of commands, and a fleet view. */

import type { Bus } from "@acktor/shared/bus/bus";
import { type AuditRecord, CommandDesk } from "@acktor/shared/inspect/command-desk";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import { FleetCommands } from "@acktor/shared/inspect/fleet-commands";
import { type FleetEvent, FleetView } from "@acktor/shared/inspect/fleet-view";
import type { CommandOutcome } from "@acktor/shared/inspect/run-command";
import { InspectStation } from "@acktor/shared/inspect/station";
import type { Command, MachineDefinition } from "@acktor/shared/inspect/wire";
import { type ServiceName, subjectsUnder } from "@acktor/shared/protocol/subjects";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { busKey } from "@acktor/shared/seal/seal";
import { SealedBus } from "@acktor/shared/seal/sealed-bus";
import { type Actor, createActor, setup } from "xstate";
import { keptLogger } from "./kept-logger.ts";

const machine = setup({
  types: { context: {} as { password: string; count: number }, events: {} as { type: "go" } },
}).createMachine({
  id: "toy",
  context: { password: "canary", count: 1 },
  initial: "A",
  states: { A: { on: { go: "B" } }, B: { on: { go: "A" } } },
});

export const SUBJECTS = subjectsUnder("acktor.v1");

export interface TestInstance {
  readonly boot: string;
  readonly actor: Actor<typeof machine>;
  readonly station: InspectStation;
  readonly fleet: FleetView;
  readonly desk: CommandDesk;
  readonly commands: FleetCommands;
  readonly obeyed: Command[];
  readonly records: AuditRecord[];
  /** The events that the fleet has reported since `watch`. */
  readonly seen: FleetEvent[];
  /** Watches everything. @returns a function that stops watching */
  watch(): () => void;
  stop(): void;
}

export interface TestInstanceOptions {
  readonly service?: ServiceName;
  /** Seals everything on the bus. */
  readonly secret?: string;
  readonly execute?: () => Promise<CommandOutcome>;
  readonly definitions?: readonly MachineDefinition[];
}

let boots = 0;

/** Joins the bus immediately. */
export function testInstance(plain: Bus, instance: string, options: TestInstanceOptions = {}): TestInstance {
  const { service = "publisher", secret } = options;
  const boot = `boot-${++boots}`;
  const obeyed: Command[] = [];
  const records: AuditRecord[] = [];
  const seen: FleetEvent[] = [];
  const definitions = options.definitions ?? [describeMachine(machine)];
  const clock = SYSTEM_CLOCK;
  const bus = secret === undefined ? plain : sealedBus(plain, secret);
  const common = { bus, subjects: SUBJECTS, boot };
  const summarized = { summary: () => ({ obeyed: obeyed.length }) };
  const station = new InspectStation({ ...common, clock, service, instance, version: "1", definitions, summarized });
  const desk = new CommandDesk({
    ...common,
    service,
    instance,
    clock,
    executor: {
      execute: async ({ command }) => {
        obeyed.push(command);
        return options.execute === undefined ? { ok: true, result: { done: command } } : options.execute();
      },
      record: async (record) => void records.push(record),
    },
  });
  const fleet = new FleetView({ ...common, clock, station, definitions });
  const commands = new FleetCommands({ ...common, desk, service, instance, fleet });
  const actor = createActor(machine);
  actor.start();
  station.follow({ name: "role", machine: "toy", actor, shown: ["count", "password"], commands: {} });
  fleet.start();
  station.start();
  desk.start();
  return {
    boot,
    actor,
    station,
    fleet,
    desk,
    commands,
    obeyed,
    records,
    seen,
    watch: () => fleet.listen((event) => void seen.push(event)),
    stop() {
      desk.stop();
      fleet.stop();
      station.stop();
      actor.stop();
    },
  };
}

/** A fleet view of a bus that has other instances, too. */
export function sealedBus(bus: Bus, secret: string): SealedBus {
  const { logger } = keptLogger();
  return new SealedBus(bus, { key: busKey(secret), logger, clock: SYSTEM_CLOCK });
}
