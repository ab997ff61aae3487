/** Rules for single packets as data, and the function that the proxy calls. */
import type { Random } from "../seeded-random.ts";
import type { PacketName } from "./mqtt-frames.ts";
import type { Fate, PacketRule, SeenPacket } from "./mqtt-proxy.ts";
import type { Direction } from "./tcp-proxy.ts";

/** Which packets, and what happens to them. An absent field matches every packet. */
export interface PacketFault {
  readonly packet?: PacketName;
  readonly direction?: Direction;
  /** The first levels of the topic of a PUBLISH. */
  readonly topicUnder?: string;
  /** The exact topic. */
  readonly topic?: string;
  readonly fate: "lose" | "drop" | "double" | "swap" | "corrupt" | { readonly delayMs: number };
  /** Only the n-th matching packet, from 1. */
  readonly nth?: number;
  /** Share of the matching packets. */
  readonly ratio?: number;
}

/** Makes a rule: the first matching fault decides. Each rule has its own counts. */
export function makePacketRule(faults: readonly PacketFault[], random: Random): PacketRule {
  const seen = faults.map(() => 0);
  return (packet): Fate => {
    for (const [i, fault] of faults.entries()) {
      if (!matches(fault, packet)) continue;
      const count = (seen[i] ?? 0) + 1;
      seen[i] = count;
      if (fault.nth !== undefined && fault.nth !== count) continue;
      if (fault.ratio !== undefined && random() >= fault.ratio) continue;
      return fault.fate;
    }
    return "pass";
  };
}

function matches({ packet, direction, topicUnder, topic }: PacketFault, seen: SeenPacket): boolean {
  if (packet !== undefined && packet !== seen.packet) return false;
  if (direction !== undefined && direction !== seen.direction) return false;
  if (topic !== undefined && topic !== seen.topic) return false;
  return topicUnder === undefined || seen.topic.startsWith(`${topicUnder}/`);
}
