/**
 * Runs the lab again inside unnamed namespaces: a separate network for real packet loss, separate mounts for a full disk.
 *
 * Invariants:
 *  NAMESPACE-1. Nothing of the host is changed: outside of a namespace of the lab, each command that would change the network
 *               is refused.
 *  NAMESPACE-2. The namespace ends with its last process, also when the lab is killed by SIGKILL.
 */
import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { runCommand } from "@acktor/embedded/run-command";
import { builtLab } from "../world/built.ts";
import { findProgram } from "../world/child.ts";
import { LabFailure } from "../world/lab-failure.ts";

/** `net`: the network; `mnt`: what is mounted. */
export type NamespaceKind = "net" | "mnt";

/** Environment variables with the host's namespaces; set for the lab that runs inside. */
const HOST_NAMESPACES: Readonly<Record<NamespaceKind, string>> = { net: "LAB_HOST_NETNS", mnt: "LAB_HOST_MNTNS" };
const UNSHARE: Readonly<Record<NamespaceKind, string>> = { net: "--net", mnt: "--mount" };
const PROGRAMS = ["nsenter", "ip", "iptables", "mosquitto"] as const;
const COMMAND_LIMIT_MS = 5_000;

/** True inside a namespace of the lab. */
export function isApart(kind: NamespaceKind): boolean {
  const host = process.env[HOST_NAMESPACES[kind]];
  return host !== undefined && host !== "" && host !== current(kind);
}

/** True inside a network namespace of the lab. */
export function isInside(): boolean {
  return isApart("net");
}

function current(kind: NamespaceKind): string {
  return readlinkSync(`/proc/self/ns/${kind}`);
}

/** Why the driver cannot work here: the lab does not run as root, or a program is missing; null when it can. */
export function whyNot(): string | null {
  return whyNotApart(PROGRAMS);
}

/** Why the lab cannot make a namespace with these programs here; null when it can. */
export function whyNotApart(programs: readonly string[]): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "root of Linux";
  return ["unshare", "setpriv", ...programs].find((name) => findProgram(name) === null) ?? null;
}

/** Runs the lab with these arguments inside namespaces; resolves with its exit code. */
export function runInside(kinds: readonly NamespaceKind[], labArguments: readonly string[]): Promise<number> {
  const unshare = [findProgram("unshare") ?? "unshare", ...kinds.map((kind) => UNSHARE[kind])];
  // NAMESPACE-2: the namespaces get no name and no file, and the process in them dies with this one.
  const args = ["--pdeathsig", "KILL", ...unshare, process.execPath, builtLab("main.js"), ...labArguments];
  const host = Object.fromEntries(kinds.map((kind) => [HOST_NAMESPACES[kind], current(kind)]));
  const child = spawn(findProgram("setpriv") ?? "setpriv", args, {
    stdio: "inherit",
    env: { ...process.env, ...host },
  });
  return new Promise((resolve) => {
    // Ctrl-C reaches both processes. The listener for stops passes on a signal to this process alone.
    child.once("exit", (code) => resolve(code ?? 1));
    child.once("error", () => resolve(1));
  });
}

/** Runs a command that changes the network; only inside a namespace. @returns its output */
export async function changeNetwork(name: "ip" | "iptables" | "nsenter", args: readonly string[]): Promise<string> {
  // NAMESPACE-1
  if (!isInside()) throw new LabFailure(`${name} would change the host's network: refused`);
  const file = findProgram(name) ?? name;
  const env = { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const { code, output } = await runCommand({ file, args, env, timeoutMs: COMMAND_LIMIT_MS });
  if (code !== 0) throw new LabFailure(`${name} ${args.join(" ")}: ${output.trim()}`);
  return output;
}
