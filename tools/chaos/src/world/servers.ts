/** The servers of a world: PostgreSQL from npm, a broker, NATS where it is installed; each on a free port of this machine. */
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

/** A free port below the range from which systems take ports for outgoing connections: it is free again after a kill. */
export async function stablePort(host = "127.0.0.1"): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORTS);
    if (await portIsFree(port, host)) return port;
  }
}

export type BrokerName = "mosquitto" | "aedes";

/** mosquitto where it is installed, else aedes. */
export function bestBroker(): BrokerName {
  return findProgram("mosquitto") === null ? "aedes" : "mosquitto";
}

/** Where else than on 127.0.0.1 a broker runs. */
export interface BrokerPlace {
  readonly host: string;
  /** The command that starts a program there. */
  wrap(child: ChildOptions): ChildOptions;
}

/** A broker that remembers nothing: killed, every session, queue and retained message is lost. */
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

/** As documented for production: without them mosquitto stalls at 20 messages in flight and drops after 1,000. */
const mosquittoSettings = (port: number, host: string): string => `listener ${port} ${host}
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 2000
max_queued_messages 100000
log_dest stdout
log_type error
`;

/** Null where there is no nats-server. */
export async function natsUnit(): Promise<Unit | null> {
  const program = findProgram("nats-server");
  if (program === null) return null;
  const port = await stablePort();
  const child = () => ({ file: program, args: ["-a", "127.0.0.1", "-p", String(port)] });
  return processUnit({ name: "nats-server", port, child, answers: () => accepts(port) });
}

export interface PostgresUnit extends Unit {
  /** Without the proxy. */
  url(): string;
}

/**
 * A process that is killed loses nothing that it gave to the system, so nothing is flushed to the disk; what a commit
 * promises in its own process (`synchronous_commit`) stays as it is.
 */
const SETTINGS = { fsync: "off", full_page_writes: "off", max_connections: "100", shared_buffers: "64MB" };
const KILL_LIMIT_MS = 10_000;

/** PostgreSQL with data of its own; started when this resolves. */
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
  const watch = (started: EmbeddedPostgres): EmbeddedPostgres => {
    void started.exited.then(() => {
      if (server === started) running = false;
    });
    return started;
  };
  let server = await launch();
  const { url } = server;
  let running = true;
  watch(server);
  let slowestStopMs = 0;
  const data = path.join(folder, "data");
  /** To every process of the server: the postmaster's alone would reach new connections only. */
  const sendAll = async (signal: NodeJS.Signals): Promise<boolean> => {
    if (!running) return false;
    const pids = await processesIn(data);
    for (const pid of pids) sendSignal(pid, signal);
    return pids.length > 0;
  };
  return {
    name: "postgres",
    port,
    url: () => url,
    pid: () => server.pid,
    running: () => running,
    async kill() {
      if (!running) return false;
      running = false;
      sendSignal(server.pid, "SIGKILL");
      const gone = await becomesTrue(async () => (await processesIn(data)).length === 0, KILL_LIMIT_MS);
      if (!gone) throw new LabFailure("children of the killed PostgreSQL are still there");
      return true;
    },
    async stop() {
      const was = running;
      running = false;
      const before = performance.now();
      await server.stop();
      slowestStopMs = Math.max(slowestStopMs, performance.now() - before);
      return was;
    },
    async start() {
      if (running) return;
      server = await launch();
      running = true;
      watch(server);
    },
    freeze: () => sendAll("SIGSTOP"),
    thaw: () => sendAll("SIGCONT"),
    lastEnd: () => null,
    slowestStopMs: () => slowestStopMs,
    ownErrors: () => [],
    tail: () => "",
  };
}

/** A process that has just ended gets none. */
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
