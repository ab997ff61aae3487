/**
 * Which servers the doctor looks at: those of the environment; where it names none, those of a running `npm start` (its
 * database by the file beside the data, its broker by the service's own word).
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import { readServiceConfig } from "../commands/services.ts";
import type { ServiceStatus } from "../commands/status.ts";
import type { Environment } from "../environment.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, ok, warn } from "./check.ts";

export interface Servers {
  /** Null where the configuration has faults, or no server is named anywhere. */
  readonly config: PublisherSettings | null;
  /** False where the stand-in of `findServers` is in `config`: there is none to look at. */
  readonly hasDatabase: boolean;
  readonly hasBroker: boolean;
  /** The broker's address is what the service says of it, not what is configured here. */
  readonly brokerIsHearsay: boolean;
  readonly check: Check;
}

const NONE = { DATABASE_URL: "postgres://127.0.0.1/none", MQTT_URL: "mqtt://127.0.0.1" };

/** @param status of the service that was asked; null where none answers */
export async function findServers(session: Session, status: ServiceStatus | null): Promise<Servers> {
  const { env, texts } = session;
  const { doctor: t } = texts;
  const named = { database: isSet(env, "DATABASE_URL"), broker: isSet(env, "MQTT_URL") };
  const database = named.database ? null : await embeddedUrl(env);
  const broker = named.broker ? null : (status?.connection.broker ?? null);
  const judged: Environment = {
    ...env,
    ...(named.database ? {} : { DATABASE_URL: database ?? NONE.DATABASE_URL }),
    ...(named.broker ? {} : { MQTT_URL: broker ?? NONE.MQTT_URL }),
  };
  const { result } = await readServiceConfig("publisher", judged);
  const hasDatabase = named.database || database !== null;
  const hasBroker = named.broker || broker !== null;
  if (!result.ok) {
    const found = result.faults.map((fault) => printable(fault)).join("; ");
    return {
      config: null,
      hasDatabase,
      hasBroker,
      brokerIsHearsay: !named.broker,
      check: failed("config", found, t.configFix, { faults: result.faults.length }),
    };
  }
  const config = result.config as PublisherSettings;
  const check = judgement(session, hasDatabase, hasBroker, named.database && named.broker);
  return { config, hasDatabase, hasBroker, brokerIsHearsay: !named.broker, check };
}

function judgement({ texts }: Session, hasDatabase: boolean, hasBroker: boolean, isNamed: boolean): Check {
  const { doctor: t } = texts;
  if (isNamed) return ok("config", t.configOk);
  if (hasDatabase && hasBroker) return ok("config", t.configRunning);
  const missing = [...(hasDatabase ? [] : ["DATABASE_URL"]), ...(hasBroker ? [] : ["MQTT_URL"])];
  return warn("config", t.configMissing(missing.join(", ")), t.configMissingFix);
}

function isSet(env: Environment, name: string): boolean {
  return Boolean(env[name]) || Boolean(env[`${name}_FILE`]);
}

/** Null where no `npm start` has been here, or it belongs to another user. */
async function embeddedUrl(env: Environment): Promise<string | null> {
  const file = path.resolve(env["ACKTOR_DATA_DIR"] || ".acktor", "postgres", "url");
  const url = await readFile(file, "utf8").catch(() => "");
  return url.trim() === "" ? null : url.trim();
}
