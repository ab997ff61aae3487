/**
 * A second network namespace, in which the broker runs. A cable (veth) connects it: all traffic between the broker and the
 * pair passes the cable, and no other traffic does.
 */
import { readlink } from "node:fs/promises";
import { type Child, type ChildOptions, findProgram, startChild } from "../world/child.ts";
import { LabFailure } from "../world/lab-failure.ts";
import type { BrokerPlace } from "../world/servers.ts";
import { becomesTrue } from "../world/until.ts";
import { changeNetwork } from "./own-namespace.ts";

/** The lab's end of the cable. */
export const CABLE = "lab0";
const FAR_END = "lab1";
const OUR_ADDRESS = "10.213.0.1/30";
const ROOM_HOST = "10.213.0.2";
const ROOM_ADDRESS = `${ROOM_HOST}/30`;
const START_LIMIT_MS = 5_000;

export interface BrokerRoom extends BrokerPlace {
  stop(): Promise<void>;
}

/** Makes the room; only once in a namespace. */
export async function makeBrokerRoom(): Promise<BrokerRoom> {
  await changeNetwork("ip", ["link", "set", "lo", "up"]);
  const holder = startChild({ file: findProgram("unshare") ?? "unshare", args: ["--net", "sleep", "infinity"] });
  try {
    await layCable(holder);
  } catch (error) {
    await holder.kill();
    throw error;
  }
  return {
    host: ROOM_HOST,
    wrap: ({ file, args, ...rest }: ChildOptions) => ({
      ...rest,
      file: nsenter(),
      args: [...enter(holder), file, ...args],
    }),
    // The kernel removes the cable together with the namespace of its far end.
    stop: () => holder.kill(),
  };
}

async function layCable(holder: Child): Promise<void> {
  await changeNetwork("ip", ["link", "add", CABLE, "type", "veth", "peer", "name", FAR_END]);
  // For a moment the holder is still in our namespace, and both ends of the cable would be here.
  if (!(await becomesTrue(() => isApart(holder), START_LIMIT_MS))) throw new LabFailure("no second namespace");
  await changeNetwork("ip", ["link", "set", FAR_END, "netns", String(holder.pid)]);
  await changeNetwork("ip", ["addr", "add", OUR_ADDRESS, "dev", CABLE]);
  await changeNetwork("ip", ["link", "set", CABLE, "up"]);
  for (const args of [
    ["link", "set", "lo", "up"],
    ["addr", "add", ROOM_ADDRESS, "dev", FAR_END],
    ["link", "set", FAR_END, "up"],
  ]) {
    await changeNetwork("nsenter", [...enter(holder), findProgram("ip") ?? "ip", ...args]);
  }
}

async function isApart({ pid }: Child): Promise<boolean> {
  const [ours, its] = await Promise.all([readlink("/proc/self/ns/net"), readlink(`/proc/${pid}/ns/net`)]);
  return ours !== its;
}

function nsenter(): string {
  return findProgram("nsenter") ?? "nsenter";
}

function enter({ pid }: Child): string[] {
  return ["--target", String(pid), "--net"];
}
