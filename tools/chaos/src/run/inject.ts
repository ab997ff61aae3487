/**
 * Injects the faults of a scenario: starts each fault, ends it, and counts what it did.
 *
 * `hits` is the injector's own count of what happened to bytes, packets, connections and processes. A fault without a hit
 * was not injected.
 */

import { writeFile } from "node:fs/promises";
import type { MqttProxy } from "../proxy/mqtt-proxy.ts";
import { makePacketRule } from "../proxy/packet-rules.ts";
import type { Fault, LineName, MqttLineName, UnitName } from "../scenarios/scenario.ts";
import type { Random } from "../seeded-random.ts";
import { countReads } from "../world/bent-clock.ts";
import { LabFailure } from "../world/lab-failure.ts";
import type { Unit } from "../world/unit.ts";
import type { World } from "../world/world.ts";
import { fillDisk } from "./fill-disk.ts";
import { type Injection, injectIntoLines, type Line } from "./inject-lines.ts";
import { takeOver } from "./take-over.ts";

/** Starts a fault; null when this driver does not have the fault. */
export type Injector = (world: World, fault: Fault, random: Random) => Promise<Injection | null>;

/** Injects faults with the proxies, without root. */
export const injectByProxy: Injector = async (world, fault, random) => {
  switch (fault.do) {
    case "kill":
    case "stop":
    case "freeze":
      return injectIntoUnit(unitOf(world, fault.unit), fault.do);
    case "set-clock":
      return setClock(world, fault.unit, fault.offsetMs);
    case "fill-disk":
      return fillDisk(world);
    case "end-backends":
      return endBackends(world, fault.everyMs, random);
    case "take-over":
      return takeOver(mqttLine(world, fault.line), world.units.broker.port);
    case "packets":
      return breakPackets(
        fault.lines.map((name) => mqttLine(world, name)),
        fault.faults,
        random,
      );
    case "refuse":
      return refuse(
        fault.lines.map((name) => mqttLine(world, name)),
        fault.code,
      );
    default:
      return injectIntoLines(
        fault.lines.map((name) => lineOf(world, name)),
        fault,
      );
  }
};

function breakPackets(
  lines: readonly MqttProxy[],
  faults: Extract<Fault, { do: "packets" }>["faults"],
  random: Random,
): Injection {
  const hitsOfLine = ({ counts: { passed: _, refused: __, sessionsForgotten: ___, ...faulty } }: MqttProxy): number => {
    return Object.values(faulty).reduce((sum, count) => sum + count, 0);
  };
  const before = lines.map(hitsOfLine);
  for (const line of lines) line.setRule(makePacketRule(faults, random));
  return {
    hits: () => lines.reduce((sum, line, i) => sum + hitsOfLine(line) - (before[i] ?? 0), 0),
    async end() {
      for (const line of lines) line.setRule(null);
    },
  };
}

function refuse(lines: readonly MqttProxy[], code: number): Injection {
  const before = lines.map(({ counts }) => counts.refused);
  for (const line of lines) {
    line.refuseConnects(code);
    line.drop();
  }
  return {
    hits: () => lines.reduce((sum, { counts }, i) => sum + counts.refused - (before[i] ?? 0), 0),
    async end() {
      for (const line of lines) line.refuseConnects(null);
    },
  };
}

async function injectIntoUnit(unit: Unit, how: "kill" | "stop" | "freeze"): Promise<Injection> {
  const hit = await unit[how]();
  return {
    hits: () => (hit ? 1 : 0),
    async end() {
      if (how === "freeze") await unit.thaw();
      else await unit.start();
    },
  };
}

async function setClock(world: World, unit: "publisher" | "acker", offsetMs: number): Promise<Injection> {
  const file = world.hooks?.[unit].clock;
  if (file === undefined) throw new LabFailure(`the clock of ${unit} cannot be set in this world`);
  const before = countReads(file);
  await writeFile(file, String(offsetMs));
  return {
    hits: () => countReads(file) - before,
    end: () => writeFile(file, "0"),
  };
}

async function endBackends(world: World, everyMs: number, random: Random): Promise<Injection> {
  let hits = 0;
  let asking: Promise<void> = Promise.resolve();
  const endOne = async (): Promise<void> => {
    const answer = await world.pool.run<{ ended: boolean }>(
      `select pg_terminate_backend(pid) ended from (
         select pid, row_number() over (order by pid) n, count(*) over () total from pg_stat_activity
         where application_name like 'acktor-publisher%' or application_name like 'acktor-acker%') t
       where n = 1 + floor($1::float8 * total)`,
      [random()],
    );
    if (answer.ok) hits += answer.rows.filter((row) => row.ended).length;
  };
  const timer = setInterval(() => {
    asking = asking.then(endOne);
  }, everyMs);
  return {
    hits: () => hits,
    async end() {
      clearInterval(timer);
      await asking;
    },
  };
}

export function unitOf(world: World, name: UnitName): Unit {
  const unit = world.units[name];
  if (unit === null) throw new LabFailure(`${name} is not installed`);
  return unit;
}

function lineOf(world: World, name: LineName): Line {
  const line = world.lines[name];
  if (line === null) throw new LabFailure(`there is no line ${name}`);
  return "tcp" in line ? line : { ...line, tcp: line.counts };
}

function mqttLine(world: World, name: MqttLineName): MqttProxy {
  return world.lines[name];
}
