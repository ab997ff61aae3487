/**
 * A network of our own, for real packet loss: the whole lab runs again inside a network namespace without a name.
 *
 * Invariants:
 *  1. Nothing of the host's network is changed: packet filters and interfaces are made in the namespace alone, and each
 *     command is refused where we are not in one of our own.
 *  2. The namespace has no name and no file, so it ends with its last process, also when the lab is killed by -9.
 */
import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { runCommand } from "@acktor/embedded/run-command";
import { builtLab } from "../world/built.ts";
import { findProgram } from "../world/child.ts";
import { LabFailure } from "../world/lab-failure.ts";

/** Which namespace the host's is; set for the lab that runs inside. */
const HOST_NAMESPACE = "LAB_HOST_NETNS";
const PROGRAMS = ["unshare", "nsenter", "setpriv", "ip", "iptables", "mosquitto"] as const;
const COMMAND_LIMIT_MS = 5_000;

/** True inside a namespace of the lab's own. */
export function isInside(): boolean {
  const host = process.env[HOST_NAMESPACE];
  return host !== undefined && host !== "" && host !== currentNamespace();
}

function currentNamespace(): string {
  return readlinkSync("/proc/self/ns/net");
}

/** Why the driver cannot work here: not root, or a program that is missing; null when it can. */
export function whyNot(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "root of Linux";
  return PROGRAMS.find((name) => findProgram(name) === null) ?? null;
}

/** Runs the lab with these arguments inside a namespace; resolves with its exit code. */
export function runInside(labArguments: readonly string[]): Promise<number> {
  const command = ["--pdeathsig", "KILL", findProgram("unshare") ?? "unshare", "--net"];
  const program = builtLab("main.js");
  const args = [...command, process.execPath, program, ...labArguments];
  const child = spawn(findProgram("setpriv") ?? "setpriv", args, {
    stdio: "inherit",
    env: { ...process.env, [HOST_NAMESPACE]: currentNamespace() },
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
