/**
 * The pair as real processes, with its own servers and a fault proxy on each line:
 *
 *   publisher ─ publisher.mqtt ─┐          ┌─ acker.mqtt ─ acker
 *      │                        broker ────┘                 │
 *   publisher.db ── PostgreSQL ── acker.db ──────────────────┘     (and NATS if it is installed)
 *
 * The world does not touch other programs of this machine: it uses free ports of 127.0.0.1 and a temporary folder. The judge
 * connects to PostgreSQL directly, and its audit is installed before the services start. `stop` ends everything that was
 * started, in reverse order, also when the start failed halfway.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { SILENT } from "@acktor/embedded/progress";
import { Stack } from "@acktor/embedded/stack";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { installAudit } from "../check/audit.ts";
import { type MqttProxy, startMqttProxy } from "../proxy/mqtt-proxy.ts";
import { splitIntoMessages } from "../proxy/postgres-messages.ts";
import { startTcpProxy, type TcpProxy } from "../proxy/tcp-proxy.ts";
import { TOPIC_ROOT } from "../scenarios/scenario.ts";
import { type Random, seededRandom } from "../seeded-random.ts";
import { builtLab, REPOSITORY } from "./built.ts";
import { CLOCK_FILE, VITALS_FILE } from "./hook-files.ts";
import { LabFailure } from "./lab-failure.ts";
import {
  type BrokerName,
  type BrokerPlace,
  bestBroker,
  brokerUnit,
  natsUnit,
  type PostgresUnit,
  postgresUnit,
  stablePort,
} from "./servers.ts";
import { type ServiceUnit, serviceUnit } from "./services.ts";
import { mountSmallDisk, type SmallDisk } from "./small-disk.ts";
import type { Unit } from "./unit.ts";
import { becomesTrue } from "./until.ts";

export interface World {
  readonly folder: string;
  /** A direct connection to PostgreSQL, without a proxy. */
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly units: Units;
  readonly lines: Lines;
  /** The disk of PostgreSQL's data; null when the lab has no separate disk. */
  readonly disk: SmallDisk | null;
  /** Null unless `hooked` was set. */
  readonly hooks: Hooks | null;
  stop(): Promise<void>;
}

export interface Units {
  readonly publisher: ServiceUnit;
  readonly acker: ServiceUnit;
  readonly broker: Unit;
  readonly postgres: PostgresUnit;
  /** Null when it is not installed. */
  readonly nats: Unit | null;
}

export interface Lines {
  readonly "publisher.mqtt": MqttProxy;
  readonly "acker.mqtt": MqttProxy;
  readonly "publisher.db": TcpProxy;
  readonly "acker.db": TcpProxy;
  /** Null when NATS is not installed. */
  readonly nats: TcpProxy | null;
}

/** Files of the lab's hook: it reads the offset of the clock from one and writes the vital signs to the other. */
export type Hooks = Readonly<Record<"publisher" | "acker", { readonly clock: string; readonly vitals: string }>>;

export interface WorldOptions {
  /** Environment of both services, in addition to that of the world. */
  readonly env?: Readonly<Record<string, string>>;
  readonly broker?: BrokerName;
  readonly random?: Random;
  /** Folder of the build that runs; default: the repository. */
  readonly root?: string;
  /** Server settings of PostgreSQL. */
  readonly postgres?: Readonly<Record<string, string>>;
  /** Where the broker runs. The services then connect to it directly, without the proxies. */
  readonly brokerPlace?: BrokerPlace;
  /** Run after the migrations, before the services start. */
  readonly sql?: string | null;
  /** The lines to PostgreSQL count messages of its protocol. This costs time, so only tests that cut messages use it. */
  readonly inspectsDatabase?: boolean;
  /** The services run with the lab's hook: their clocks can be set, their vital signs are noted. */
  readonly hooked?: boolean;
  /** PostgreSQL's data are on a separate disk, which can be filled. */
  readonly smallDisk?: boolean;
  /** NATS is left out although it is installed. */
  readonly withoutNats?: boolean;
}

const CONNECT_LIMIT_MS = 15_000;

/** Starts everything; both services are ready and connected when this resolves. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const stack = new Stack(SILENT);
  try {
    return await build(options, stack);
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

async function build(options: WorldOptions, stack: Stack): Promise<World> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-chaos-"));
  const add = (name: string, stop: () => Promise<unknown>): void => {
    stack.add({ name, limitMs: 15_000, stop: async () => void (await stop()) });
  };
  add("the folder", () => rm(folder, { recursive: true, force: true }));
  const disk = options.smallDisk ? await mountSmallDisk(path.join(folder, "disk")) : null;
  if (disk !== null) add("the disk", () => disk.stop());
  const postgres = await postgresUnit(path.join(disk?.folder ?? folder, "postgres"), options.postgres);
  add("PostgreSQL", () => postgres.stop());
  const databaseUrl = postgres.url();
  const pool = createPool({ url: databaseUrl, size: 2, applicationName: "acktor-chaos", deadlineMs: 10_000 });
  add("the judge", () => pool.stop());
  await installAudit(pool);
  await runSql(pool, options.sql ?? null);
  const broker = await brokerUnit(folder, options.broker ?? bestBroker(), options.brokerPlace ?? null);
  await broker.start();
  add("the broker", () => broker.stop());
  const nats = options.withoutNats ? null : await natsUnit();
  await nats?.start();
  add("NATS", async () => nats?.stop());
  const lines = await layLines(options, { broker, postgres, nats }, add);
  const hooks = options.hooked ? hooksIn(folder) : null;
  const services = await makeServices(options, databaseUrl, broker, lines, hooks);
  for (const service of [services.acker, services.publisher]) add(service.name, () => service.stop());
  const units: Units = { ...services, broker, postgres, nats };
  await Promise.all([units.publisher.start(), units.acker.start()]);
  if (!(await becomesTrue(() => isConnected(units), CONNECT_LIMIT_MS))) {
    throw new LabFailure(`the pair does not connect:\n${units.publisher.tail()}\n${units.acker.tail()}`);
  }
  return { folder, databaseUrl, pool, units, lines, disk, hooks, stop: async () => void (await stack.stop()) };
}

async function runSql(pool: Pool, sql: string | null): Promise<void> {
  if (sql === null) return;
  const done = await pool.run(sql, [], { simple: true });
  if (!done.ok) throw new LabFailure(`${sql}: ${done.failure.message}`);
}

type Servers = Pick<Units, "broker" | "postgres" | "nats">;

async function layLines(
  { random = seededRandom(1), inspectsDatabase = false }: WorldOptions,
  { broker, postgres, nats }: Servers,
  add: (name: string, stop: () => Promise<unknown>) => void,
): Promise<Lines> {
  const database = { target: postgres.port, random, ...(inspectsDatabase ? { inspect: splitIntoMessages } : {}) };
  const lines = {
    "publisher.mqtt": await startMqttProxy({ target: broker.port, random }),
    "acker.mqtt": await startMqttProxy({ target: broker.port, random }),
    "publisher.db": await startTcpProxy(database),
    "acker.db": await startTcpProxy(database),
    nats: nats === null ? null : await startTcpProxy({ target: nats.port, random }),
  };
  for (const [name, line] of Object.entries(lines)) add(name, async () => line?.stop());
  return lines;
}

async function makeServices(
  options: WorldOptions,
  databaseUrl: string,
  broker: Unit,
  lines: Lines,
  hooks: Hooks | null,
): Promise<Pick<Units, "publisher" | "acker">> {
  const place = options.brokerPlace;
  const root = options.root ?? REPOSITORY;
  const environment = (mqtt: MqttProxy, db: TcpProxy): Record<string, string> => {
    const url = new URL(databaseUrl);
    url.port = String(db.port);
    return {
      DATABASE_URL: url.href,
      MQTT_URL: place === undefined ? mqtt.url : `mqtt://${place.host}:${broker.port}`,
      ...(lines.nats === null ? {} : { NATS_URL: `nats://127.0.0.1:${lines.nats.port}` }),
      ACKTOR_TOPICS: `${TOPIC_ROOT}/#`,
      LOG_LEVEL: "warn",
      ...options.env,
    };
  };
  const make = async (name: "publisher" | "acker", mqtt: MqttProxy, db: TcpProxy): Promise<ServiceUnit> => {
    const env = { ...environment(mqtt, db), ...(hooks === null ? {} : hookEnvironment(hooks[name])) };
    return serviceUnit({ name, root, port: await stablePort(), env });
  };
  return {
    publisher: await make("publisher", lines["publisher.mqtt"], lines["publisher.db"]),
    acker: await make("acker", lines["acker.mqtt"], lines["acker.db"]),
  };
}

function hooksIn(folder: string): Hooks {
  const of = (name: string) => ({
    clock: path.join(folder, `${name}.clock`),
    vitals: path.join(folder, `${name}.vitals`),
  });
  return { publisher: of("publisher"), acker: of("acker") };
}

function hookEnvironment({ clock, vitals }: Hooks["publisher"]): Record<string, string> {
  const hook = pathToFileURL(builtLab("world/lab-hook.js")).href;
  return { NODE_OPTIONS: `--import ${hook}`, [CLOCK_FILE]: clock, [VITALS_FILE]: vitals };
}

async function isConnected({ publisher, acker }: Units): Promise<boolean> {
  const states = await Promise.all([publisher.connection(), acker.connection()]);
  return states.every((state) => state === "CONNECTED");
}
