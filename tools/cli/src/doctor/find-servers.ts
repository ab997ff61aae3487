/**
 * Which servers the doctor checks: those of the environment, else those of a running `npm start`. A file next to its data
 * holds the database's address; the service reports the broker's.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { ConfigResult } from "@acktor/shared/runtime/config";
import type { AckerSettings, PublisherSettings } from "@acktor/shared/runtime/settings";
import { readServiceConfig } from "../commands/services.ts";
import type { ServiceStatus } from "../commands/status.ts";
import type { Environment } from "../environment.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, ok, warn } from "./check.ts";

export interface Servers {
  /** Null if the configuration has faults. */
  readonly config: PublisherSettings | null;
  /** Null if nothing here says which topics an acker takes, or if the configuration has faults. */
  readonly acker: AckerSettings | null;
  /** False if `config` holds a placeholder: there is no database to check. */
  readonly hasDatabase: boolean;
  readonly hasBroker: boolean;
  /** The service reported the broker's address; it is not configured here. */
  readonly brokerIsReported: boolean;
  readonly check: Check;
}

const PLACEHOLDERS = { DATABASE_URL: "postgres://127.0.0.1/none", MQTT_URL: "mqtt://127.0.0.1" };

/** @param status null if no service answers */
export async function findServers(session: Session, status: ServiceStatus | null): Promise<Servers> {
  const { env, texts } = session;
  const { doctor: t } = texts;
  const named = { database: isSet(env, "DATABASE_URL"), broker: isSet(env, "MQTT_URL") };
  const database = named.database ? null : await embeddedUrl(env);
  const broker = named.broker ? null : (status?.connection.broker ?? null);
  const judged: Environment = {
    ...env,
    ...(named.database ? {} : { DATABASE_URL: database ?? PLACEHOLDERS.DATABASE_URL }),
    ...(named.broker ? {} : { MQTT_URL: broker ?? PLACEHOLDERS.MQTT_URL }),
  };
  const { result } = await readServiceConfig("publisher", judged);
  const acker = await readAcker(judged, status);
  const hasDatabase = named.database || database !== null;
  const hasBroker = named.broker || broker !== null;
  const faults = [...(result.ok ? [] : result.faults), ...(acker === null || acker.ok ? [] : acker.faults)];
  if (!result.ok || faults.length > 0) {
    const found = [...new Set(faults)].map((fault) => printable(fault)).join("; ");
    return {
      config: null,
      acker: null,
      hasDatabase,
      hasBroker,
      brokerIsReported: !named.broker,
      check: failed("config", found, t.configFix, { faults: faults.length }),
    };
  }
  const config = result.config as PublisherSettings;
  const check = judge(session, hasDatabase, hasBroker, named.database && named.broker);
  const ofAcker = acker?.ok === true ? (acker.config as AckerSettings) : null;
  return { config, acker: ofAcker, hasDatabase, hasBroker, brokerIsReported: !named.broker, check };
}

/** The acker's settings, where its topics are set here or an acker reports them. */
async function readAcker(env: Environment, status: ServiceStatus | null): Promise<ConfigResult<unknown> | null> {
  const reported = status?.service === "acker" ? status["topics"] : null;
  const topics = env["ACKTOR_TOPICS"] || (Array.isArray(reported) ? reported.join(",") : "");
  if (topics === "") return null;
  return (await readServiceConfig("acker", { ...env, ACKTOR_TOPICS: topics })).result;
}

function judge({ texts }: Session, hasDatabase: boolean, hasBroker: boolean, isNamed: boolean): Check {
  const { doctor: t } = texts;
  if (isNamed) return ok("config", t.configOk);
  if (hasDatabase && hasBroker) return ok("config", t.configRunning);
  const missing = [...(hasDatabase ? [] : ["DATABASE_URL"]), ...(hasBroker ? [] : ["MQTT_URL"])];
  return warn("config", t.configMissing(missing.join(", ")), t.configMissingFix);
}

function isSet(env: Environment, name: string): boolean {
  return Boolean(env[name]) || Boolean(env[`${name}_FILE`]);
}

/** Null if no `npm start` ran in this folder, or if it belongs to another user. */
async function embeddedUrl(env: Environment): Promise<string | null> {
  const file = path.resolve(env["ACKTOR_DATA_DIR"] || ".acktor", "postgres", "url");
  const url = await readFile(file, "utf8").catch(() => "");
  return url.trim() === "" ? null : url.trim();
}
