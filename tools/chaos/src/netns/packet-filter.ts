/**
 * Faults at the level of packets, by iptables on the lab's own cable: real loss, real partitions.
 *
 * Invariant: `hits` is the kernel's own count of packets that were dropped.
 */
import { type Injector, injectByProxy } from "../run/inject.ts";
import type { Injection } from "../run/inject-lines.ts";
import type { LineName } from "../scenarios/scenario.ts";
import { CABLE } from "./broker-room.ts";
import { changeNetwork } from "./own-namespace.ts";

let chains = 0;

/** Null for what packets cannot show: faults inside MQTT, and delay, which needs `tc netem`. */
export const injectByPacketFilter: Injector = async (world, fault, random) => {
  if (fault.do === "cut") return isWholeCable(fault.lines) ? drop([]) : null;
  if (fault.do === "line") {
    const { lossRatio = 0, ...others } = fault.quality;
    const onlyLoss = lossRatio > 0 && Object.keys(others).length === 0;
    if (!onlyLoss || !isWholeCable(fault.lines)) return null;
    return drop(["-m", "statistic", "--mode", "random", "--probability", String(lossRatio)]);
  }
  const isOfProcesses = "unit" in fault || fault.do === "end-backends";
  return isOfProcesses ? injectByProxy(world, fault, random) : null;
};

/** The cable carries both lines, so it can only be broken for both. */
function isWholeCable(lines: readonly LineName[]): boolean {
  return lines.length === 2 && lines.includes("publisher.mqtt") && lines.includes("acker.mqtt");
}

/** Drops what matches, in both directions. */
async function drop(match: readonly string[]): Promise<Injection> {
  const chain = `lab_${++chains}`;
  const jumps = [
    ["INPUT", "-i", CABLE, "-j", chain],
    ["OUTPUT", "-o", CABLE, "-j", chain],
  ];
  await changeNetwork("iptables", ["-N", chain]);
  await changeNetwork("iptables", ["-A", chain, ...match, "-j", "DROP"]);
  for (const jump of jumps) await changeNetwork("iptables", ["-I", ...jump]);
  let hits = 0;
  let ended = false;
  return {
    hits: () => hits,
    async end() {
      if (ended) return;
      ended = true;
      hits = droppedPackets(await changeNetwork("iptables", ["-nvx", "-L", chain]));
      for (const jump of jumps) await changeNetwork("iptables", ["-D", ...jump]);
    },
  };
}

/** From the listing of a chain: the packets of its DROP rule. */
function droppedPackets(listing: string): number {
  return Number(/^\s*(\d+)\s+\d+\s+DROP\b/m.exec(listing)?.[1] ?? 0);
}
