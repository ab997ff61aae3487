/** The servers of a world: PostgreSQL from npm, a broker, and NATS if it is installed; each on a free port of this machine. */
import { mkdir, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { portIsFree } from "@acktor/embedded/ports";
import { type EmbeddedPostgres, startPostgres } from "@acktor/embedded/postgres";
import { processesIn } from "@acktor/embedded/process-table";
import { SILENT } from "@acktor/embedded/progress";
import { builtLab } from "./built.ts";
import { type ChildOptions, findProgram } from "./child.ts";
import { LabFailure } from "./lab-failure.ts";
import { processUnit, type Unit } from "./unit.ts";
import { becomesTrue } from "./until.ts";

const LOWEST_PORT = 15_000;
const PORTS = 15_000;

/** A free port below the range of ports for outgoing connections, so that it is still free after a kill. */
export async function stablePort(host = "127.0.0.1"): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORTS);
    if (await portIsFree(port, host)) return port;
  }
}

export type BrokerName = "mosquitto" | "aedes";

/** mosquitto if it is installed, else aedes. */
export function bestBroker(): BrokerName {
  return findProgram("mosquitto") === null ? "aedes" : "mosquitto";
}

/** A place for the broker other than 127.0.0.1. */
export interface BrokerPlace {
  readonly host: string;
  /** The command that starts a program there. */
  wrap(child: ChildOptions): ChildOptions;
}

/** A broker without persistence: after a kill all sessions, queues and retained messages are lost. */
export async function brokerUnit(folder: string, name: BrokerName, place: BrokerPlace | null): Promise<Unit> {
  const port = await stablePort();
  const host = place?.host ?? "127.0.0.1";
  const answers = (): Promise<boolean> => accepts(port, host);
  if (name === "aedes") {
    const program = builtLab("world/aedes-process.js");
    const child = () => ({ file: process.execPath, args: [program, String(port)] });
    return processUnit({ name: "aedes", port, child, answers });
  }
  const program = findProgram("mosquitto");
  if (program === null) throw new LabFailure("mosquitto is not installed");
  await mkdir(folder, { recursive: true });
  const config = path.join(folder, "mosquitto.conf");
  await writeFile(config, mosquittoSettings(port, host));
  const child: ChildOptions = { file: program, args: ["-c", config] };
  return processUnit({ name: "mosquitto", port, child: () => place?.wrap(child) ?? child, answers });
}

/** As documented for production: with its defaults mosquitto stalls at 20 messages in flight and drops after 1,000. */
const mosquittoSettings = (port: number, host: string): string => `listener ${port} ${host}
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 2000
max_queued_messages 100000
log_dest stdout
log_type error
`;

/** Null without a nats-server. */
export async function natsUnit(): Promise<Unit | null> {
  const program = findProgram("nats-server");
  if (program === null) return null;
  const port = await stablePort();
  const child = () => ({ file: program, args: ["-a", "127.0.0.1", "-p", String(port)] });
  return processUnit({ name: "nats-server", port, child, answers: () => accepts(port) });
}

export interface PostgresUnit extends Unit {
  /** The direct URL, without a proxy. */
  url(): string;
}

/**
 * A kill loses nothing that the process has already written to the system, so the lab needs no flush to the disk. The
 * durability of a commit inside PostgreSQL (`synchronous_commit`) keeps its default.
 */
const SETTINGS = { fsync: "off", full_page_writes: "off", max_connections: "100", shared_buffers: "64MB" };
const KILL_LIMIT_MS = 10_000;

/** PostgreSQL with its own data folder; it runs when this resolves. */
export async function postgresUnit(
  folder: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresUnit> {
  const port = await stablePort();
  const launch = async (): Promise<EmbeddedPostgres> => {
    const started = await startPostgres({
      dataDir: folder,
      port,
      narrator: SILENT,
      settings: { ...SETTINGS, ...settings },
    });
    if (!started.ok) throw new LabFailure(`${started.failure.message} (${started.failure.fix})`);
    return started.value;
  };
  return new PostgresProcess(port, path.join(folder, "data"), await launch(), launch);
}

class PostgresProcess implements PostgresUnit {
  readonly name = "postgres";
  readonly port: number;
  readonly #url: string;
  readonly #data: string;
  readonly #launch: () => Promise<EmbeddedPostgres>;
  #server: EmbeddedPostgres;
  #running = true;
  #slowestStopMs = 0;

  constructor(port: number, data: string, server: EmbeddedPostgres, launch: () => Promise<EmbeddedPostgres>) {
    this.port = port;
    this.#data = data;
    this.#url = server.url;
    this.#launch = launch;
    this.#server = server;
    this.#watch(server);
  }

  url(): string {
    return this.#url;
  }

  pid(): number {
    return this.#server.pid;
  }

  running(): boolean {
    return this.#running;
  }

  async kill(): Promise<boolean> {
    if (!this.#running) return false;
    this.#running = false;
    sendSignal(this.#server.pid, "SIGKILL");
    const isEmpty = async (): Promise<boolean> => (await processesIn(this.#data)).length === 0;
    if (!(await becomesTrue(isEmpty, KILL_LIMIT_MS))) {
      throw new LabFailure("child processes of the killed PostgreSQL still run");
    }
    return true;
  }

  async stop(): Promise<boolean> {
    const was = this.#running;
    this.#running = false;
    const before = performance.now();
    await this.#server.stop();
    this.#slowestStopMs = Math.max(this.#slowestStopMs, performance.now() - before);
    return was;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#server = await this.#launch();
    this.#running = true;
    this.#watch(this.#server);
  }

  freeze(): Promise<boolean> {
    return this.#sendAll("SIGSTOP");
  }

  thaw(): Promise<boolean> {
    return this.#sendAll("SIGCONT");
  }

  lastEnd(): null {
    return null;
  }

  slowestStopMs(): number {
    return this.#slowestStopMs;
  }

  ownErrors(): readonly string[] {
    return [];
  }

  tail(): string {
    return "";
  }

  #watch(started: EmbeddedPostgres): void {
    void started.exited.then(() => {
      if (this.#server === started) this.#running = false;
    });
  }

  /** Signals every process of the server: a frozen postmaster alone would only stop new connections. */
  async #sendAll(signal: NodeJS.Signals): Promise<boolean> {
    if (!this.#running) return false;
    const pids = await processesIn(this.#data);
    for (const pid of pids) sendSignal(pid, signal);
    return pids.length > 0;
  }
}

/** Sends a signal, unless the process has just ended. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function accepts(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
