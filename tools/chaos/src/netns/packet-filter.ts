/**
 * Faults at the level of packets, by iptables in the lab's namespace: real loss, real partitions.
 *
 * Invariants:
 *  PACKET_FILTER-1. `hits` is the kernel's count of dropped packets.
 */
import { type Injector, injectByProxy } from "../run/inject.ts";
import type { Injection } from "../run/inject-lines.ts";
import type { LineName } from "../scenarios/scenario.ts";
import type { World } from "../world/world.ts";
import { CABLE } from "./broker-room.ts";
import { changeNetwork } from "./own-namespace.ts";

let chains = 0;

/** Null for faults that a packet filter cannot inject: those inside MQTT, and delay, which needs `tc netem`. */
export const injectByPacketFilter: Injector = async (world, fault, random) => {
  if (fault.do === "cut") return drop(placesOf(world, fault.lines), []);
  if (fault.do === "line") {
    const { lossRatio = 0, ...others } = fault.quality;
    if (lossRatio === 0 || Object.keys(others).length > 0) return null;
    return drop(placesOf(world, fault.lines), [
      "-m",
      "statistic",
      "--mode",
      "random",
      "--probability",
      String(lossRatio),
    ]);
  }
  const isOfProcesses = "unit" in fault || fault.do === "end-backends" || fault.do === "fill-disk";
  return isOfProcesses ? injectByProxy(world, fault, random) : null;
};

/** A chain of the kernel, and the packets that go from there into the lab's chain. */
type Place = readonly [chain: "INPUT" | "OUTPUT", ...match: readonly string[]];

/**
 * Where the packets of these lines pass, each once. The cable carries both lines to the broker, so it can only be broken
 * for both. Lines to PostgreSQL and NATS use the loopback interface, each with its own port. Null: only one of the two lines
 * on the cable is wanted.
 */
function placesOf({ lines: world }: World, lines: readonly LineName[]): readonly Place[] | null {
  const places: Place[] = [];
  for (const name of lines) {
    if (name === "publisher.mqtt" || name === "acker.mqtt") continue;
    const port = String(world[name]?.port ?? 0);
    places.push(
      ["OUTPUT", "-o", "lo", "-p", "tcp", "--dport", port],
      ["OUTPUT", "-o", "lo", "-p", "tcp", "--sport", port],
    );
  }
  const cables = lines.length - places.length / 2;
  if (cables === 1) return null;
  return cables === 0 ? places : [...places, ["INPUT", "-i", CABLE], ["OUTPUT", "-o", CABLE]];
}

/** Drops matching packets at these places, in both directions. */
async function drop(places: readonly Place[] | null, match: readonly string[]): Promise<Injection | null> {
  if (places === null) return null;
  const chain = `lab_${++chains}`;
  await changeNetwork("iptables", ["-N", chain]);
  await changeNetwork("iptables", ["-A", chain, ...match, "-j", "DROP"]);
  for (const place of places) await changeNetwork("iptables", ["-I", ...place, "-j", chain]);
  let hits = 0;
  let ended = false;
  return {
    hits: () => hits,
    async end() {
      if (ended) return;
      ended = true;
      // PACKET_FILTER-1
      hits = droppedPackets(await changeNetwork("iptables", ["-nvx", "-L", chain]));
      for (const place of places) await changeNetwork("iptables", ["-D", ...place, "-j", chain]);
    },
  };
}

/** Reads the packets of the DROP rule from the listing of a chain. */
function droppedPackets(listing: string): number {
  return Number(/^\s*(\d+)\s+\d+\s+DROP\b/m.exec(listing)?.[1] ?? 0);
}
