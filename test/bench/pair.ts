/** Publisher and acker as they are built, each a process, on a database and a broker of the run. */
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { anyPort } from "../support/ports.ts";
import { ROOT } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { type Child, environment, startChild } from "./child.ts";
import type { Scope } from "./scope.ts";

export interface ServiceOptions {
  readonly name: "publisher" | "acker";
  readonly directory: string;
  readonly databaseUrl: string;
  readonly mqttUrl: string;
  readonly window: number;
  readonly profileDir: string | null;
  /** False: without a broker it is alive, and that is enough. */
  readonly wantsBroker: boolean;
  /** On top of what every run has. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Service extends Child {
  /** http://127.0.0.1:port */
  readonly url: string;
}

/** Log lines that are shown; more of them say the same. */
const SHOWN_LINES = 10;

/** Starts a service and waits until it works. At its end, what it warned of is shown. */
export async function startService(scope: Scope, options: ServiceOptions): Promise<Service> {
  const { name, directory, profileDir } = options;
  const port = await anyPort();
  const program = path.join(ROOT, "services", name, "dist/main.js");
  const logFile = path.join(directory, `${name}-${port}.log`);
  scope.defer(() => showWarnings(name, logFile));
  const args = [...profileFlags(profileDir, name), program];
  const env = environment({
    DATABASE_URL: options.databaseUrl,
    MQTT_URL: options.mqttUrl,
    HTTP_PORT: String(port),
    LOG_LEVEL: "warn",
    ACKTOR_INSTANCE: `bench-${name}`,
    ACKTOR_WINDOW: String(options.window),
    ACKTOR_TOPICS: "bench/#",
    ...options.env,
  });
  const service = {
    ...startChild(scope, { file: process.execPath, args, env, logFile }),
    url: `http://127.0.0.1:${port}`,
  };
  const isReady = async (): Promise<boolean> => {
    if (service.ended() !== null) throw new Error(`the ${name} ended: ${service.ended()}\n${service.tail()}`);
    const status = await readiness(service.url);
    return status === "ok" || (status === "degraded" && !options.wantsBroker);
  };
  await until(isReady, 30_000, `the ${name} to be ready`).catch((error: Error) => {
    throw new Error(`${error.message}\n${service.tail()}`);
  });
  return service;
}

/** Services run at level `warn`, so a quiet log is an empty one. */
function showWarnings(name: string, logFile: string): void {
  const lines = readFileSync(logFile, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"));
  if (lines.length === 0) return;
  console.error([`the ${name} warned ${lines.length} times:`, ...lines.slice(0, SHOWN_LINES)].join("\n  "));
}

async function readiness(url: string): Promise<string> {
  try {
    const response = await fetch(`${url}/readyz`);
    return ((await response.json()) as { status?: string }).status ?? "unknown";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Flags of Node for a CPU profile, where one is asked for. */
export function profileFlags(profileDir: string | null, name: string): string[] {
  if (profileDir === null) return [];
  mkdirSync(profileDir, { recursive: true });
  return ["--cpu-prof", `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${name}-${Date.now()}.cpuprofile`];
}
