/** A mosquitto with the test's own configuration, for behaviour that only a real broker has. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { cleanUp } from "./cleanup.ts";
import { anyPort } from "./ports.ts";
import { run } from "./processes.ts";
import { need } from "./require.ts";

export interface Mosquitto {
  /** mqtt://127.0.0.1:port */
  readonly url: string;
  readonly pid: number;
  /** Mosquitto's log. */
  log(): string;
}

export interface MosquittoOptions {
  /** Further lines of configuration. */
  readonly lines?: readonly string[];
  /** Files next to the configuration; `<name>` is replaced by a file's path in `lines`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Starts mosquitto, and stops it with the test. Where it is not installed: skips the test and returns null. */
export async function startMosquitto(t: TestContext, options: MosquittoOptions = {}): Promise<Mosquitto | null> {
  const program = need("mosquitto", t);
  if (program === null) return null;
  const { lines = [], files = {} } = options;
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-mosquitto-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text, { mode: 0o600 });
  const port = await anyPort();
  const config = path.join(folder, "mosquitto.conf");
  const own = lines.map((line) => line.replace(/<([^>]+)>/, (_, name: string) => path.join(folder, name)));
  await writeFile(config, `${[...settings(port), ...own].join("\n")}\n`);
  const broker = run(t, program, ["-c", config]);
  await broker.says(/mosquitto version \S+ running/, 10_000);
  return { url: `mqtt://127.0.0.1:${port}`, pid: broker.pid, log: broker.output };
}

/**
 * Mosquitto's defaults (Nagle's algorithm; 20 in flight; 1,000 in a queue) stall or drop messages. As root it stays root: it
 * must read root's files.
 */
function settings(port: number): string[] {
  const { uid } = os.userInfo();
  return [
    ...(uid === 0 ? ["user root"] : []),
    "per_listener_settings false",
    `listener ${port} 127.0.0.1`,
    "persistence false",
    "set_tcp_nodelay true",
    "max_inflight_messages 2000",
    "max_queued_messages 100000",
    // Standard output is buffered when it is not a terminal.
    "log_dest stderr",
    "log_type all",
  ];
}
