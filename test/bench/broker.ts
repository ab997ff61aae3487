/**
 * The broker of a run, a process of its own on a free port: mosquitto where it is installed, else the embedded aedes.
 *
 * mosquitto's defaults stall (20 messages in flight) or drop (1,000 queued), so it gets settings of its own; the result
 * lists them.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { portIsFree } from "@acktor/embedded/ports";
import { anyPort } from "../support/ports.ts";
import { findServer } from "../support/programs.ts";
import { until } from "../support/until.ts";
import { type Child, environment, startChild } from "./child.ts";
import type { BenchOptions } from "./options.ts";
import type { Scope } from "./scope.ts";

export interface BrokerPlan {
  readonly kind: "mosquitto" | "aedes";
  readonly port: number;
  readonly url: string;
  readonly protocolVersion: 4 | 5;
  readonly settings: Readonly<Record<string, string>>;
  start(scope: Scope): Promise<Child>;
}

const MOSQUITTO_SETTINGS = {
  set_tcp_nodelay: "true",
  max_inflight_messages: "2000",
  max_queued_messages: "100000",
  persistence: "false",
};

const AEDES_PROCESS = path.join(path.dirname(fileURLToPath(import.meta.url)), "aedes-process.ts");

/** Chooses the broker and its port; nothing runs yet, so that it can be away at first. */
export async function planBroker(wanted: BenchOptions["broker"], directory: string): Promise<BrokerPlan> {
  const mosquitto = wanted === "aedes" ? null : findServer("mosquitto");
  if (wanted === "mosquitto" && mosquitto === null) throw new Error("mosquitto is not installed");
  const port = await anyPort();
  const logFile = path.join(directory, `broker-${port}.log`);
  const common = { port, url: `mqtt://127.0.0.1:${port}` };
  if (mosquitto === null) {
    const args = ["--import", "tsx", "--conditions=source", AEDES_PROCESS, String(port)];
    const start = (scope: Scope): Promise<Child> =>
      listening(startChild(scope, { file: process.execPath, args, env: environment(), logFile }), port);
    return { ...common, kind: "aedes", protocolVersion: 4, settings: { nodelay: "true", concurrency: "1000" }, start };
  }
  const configFile = path.join(directory, `mosquitto-${port}.conf`);
  writeFileSync(configFile, configOf(port));
  const start = (scope: Scope): Promise<Child> =>
    listening(startChild(scope, { file: mosquitto, args: ["-c", configFile], env: environment(), logFile }), port);
  return { ...common, kind: "mosquitto", protocolVersion: 5, settings: MOSQUITTO_SETTINGS, start };
}

function configOf(port: number): string {
  const user = process.getuid?.() === 0 ? ["user root"] : [];
  const settings = Object.entries(MOSQUITTO_SETTINGS).map(([name, value]) => `${name} ${value}`);
  // In 2.0 a setting that concerns clients must stand before the listeners.
  const lines = [...user, ...settings, "log_dest stderr", "log_type error", `listener ${port} 127.0.0.1`];
  return [...lines, "allow_anonymous true", ""].join("\n");
}

async function listening(child: Child, port: number): Promise<Child> {
  const isUp = async (): Promise<boolean> => {
    if (child.ended() !== null) throw new Error(`the broker ended: ${child.ended()}\n${child.tail()}`);
    return !(await portIsFree(port));
  };
  await until(isUp, 10_000, `the broker to listen on ${port}`);
  return child;
}
