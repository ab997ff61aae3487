/**
 * A network of our own for real packet loss, mounts of our own for a disk that is full: the whole lab runs again inside
 * namespaces without a name.
 *
 * Invariants:
 *  1. Nothing of the host's is changed: packet filters, interfaces and mounts are made in the namespace alone, and each
 *     command is refused where we are not in one of our own.
 *  2. The namespace has no name and no file, so it ends with its last process, also when the lab is killed by -9.
 */
import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { runCommand } from "@acktor/embedded/run-command";
import { builtLab } from "../world/built.ts";
import { findProgram } from "../world/child.ts";
import { LabFailure } from "../world/lab-failure.ts";

/** `net`: the network; `mnt`: what is mounted. */
export type NamespaceKind = "net" | "mnt";

/** Which namespaces the host's are; set for the lab that runs inside. */
const HOST_NAMESPACES: Readonly<Record<NamespaceKind, string>> = { net: "LAB_HOST_NETNS", mnt: "LAB_HOST_MNTNS" };
const UNSHARE: Readonly<Record<NamespaceKind, string>> = { net: "--net", mnt: "--mount" };
const PROGRAMS = ["nsenter", "ip", "iptables", "mosquitto"] as const;
const COMMAND_LIMIT_MS = 5_000;

/** True inside a namespace of the lab's own. */
export function isApart(kind: NamespaceKind): boolean {
  const host = process.env[HOST_NAMESPACES[kind]];
  return host !== undefined && host !== "" && host !== current(kind);
}

/** True inside a network namespace of the lab's own. */
export function isInside(): boolean {
  return isApart("net");
}

function current(kind: NamespaceKind): string {
  return readlinkSync(`/proc/self/ns/${kind}`);
}

/** Why the driver cannot work here: not root, or a program that is missing; null when it can. */
export function whyNot(): string | null {
  return whyNotApart(PROGRAMS);
}

/** Why there can be no namespace with these programs here; null when there can. */
export function whyNotApart(programs: readonly string[]): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "root of Linux";
  return ["unshare", "setpriv", ...programs].find((name) => findProgram(name) === null) ?? null;
}

/** Runs the lab with these arguments inside namespaces; resolves with its exit code. */
export function runInside(kinds: readonly NamespaceKind[], labArguments: readonly string[]): Promise<number> {
  const unshare = [findProgram("unshare") ?? "unshare", ...kinds.map((kind) => UNSHARE[kind])];
  const args = ["--pdeathsig", "KILL", ...unshare, process.execPath, builtLab("main.js"), ...labArguments];
  const host = Object.fromEntries(kinds.map((kind) => [HOST_NAMESPACES[kind], current(kind)]));
  const child = spawn(findProgram("setpriv") ?? "setpriv", args, {
    stdio: "inherit",
    env: { ...process.env, ...host },
  });
  return new Promise((resolve) => {
    // Ctrl-C reaches both of us; a signal to us alone is passed on by our listener for stops.
    child.once("exit", (code) => resolve(code ?? 1));
    child.once("error", () => resolve(1));
  });
}

/** Runs a command that changes the network; only inside. @returns what it wrote */
export async function changeNetwork(name: "ip" | "iptables" | "nsenter", args: readonly string[]): Promise<string> {
  if (!isInside()) throw new LabFailure(`${name} would change the host's network: refused`);
  const file = findProgram(name) ?? name;
  const env = { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const { code, output } = await runCommand({ file, args, env, timeoutMs: COMMAND_LIMIT_MS });
  if (code !== 0) throw new LabFailure(`${name} ${args.join(" ")}: ${output.trim()}`);
  return output;
}
