/** START-1. Reads from the environment what `npm start` starts, with every fault. */
import { readAckerConfig } from "@acktor/acker/config";
import { readPublisherConfig } from "@acktor/publisher/config";
import { type Environment, readConfig } from "@acktor/shared/runtime/config";
import { knownNames, toolSettings } from "@acktor/shared/runtime/settings";

export interface Plan {
  /** Folder of the database and the logs. */
  readonly dataDir: string;
  /** True where the environment names no server, so that an embedded one starts. */
  readonly ownPostgres: boolean;
  readonly ownBroker: boolean;
  readonly httpHost: string;
  readonly publisherPort: PortChoice;
  readonly ackerPort: PortChoice;
  /** Whether requests need a token; the example line shows it then. */
  readonly needsToken: boolean;
  /** The environment of both services, without the addresses of embedded servers. */
  readonly env: Environment;
}

export interface PortChoice {
  readonly variable: string;
  readonly port: number;
  /** Configured, so no other port replaces it. */
  readonly fixed: boolean;
}

export type PlanResult =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Placeholders for addresses while the rest of the configuration is checked. */
const ANY_DATABASE = "postgres://127.0.0.1/any";
const ANY_BROKER = "mqtt://127.0.0.1";

export function readPlan(env: Environment): PlanResult {
  const tools = readConfig(toolSettings, env, knownNames);
  const ownPostgres = !env["DATABASE_URL"] && !env["DATABASE_URL_FILE"];
  const ownBroker = !env["MQTT_URL"];
  const judged = {
    ...env,
    ...(ownPostgres && { DATABASE_URL: ANY_DATABASE }),
    ...(ownBroker && { MQTT_URL: ANY_BROKER }),
  };
  const publisher = readPublisherConfig(judged);
  const acker = readAckerConfig(ackerEnvironment(judged, env["ACKTOR_ACKER_HTTP_PORT"] || "8081"));
  if (!tools.ok || !publisher.ok || !acker.ok) {
    const faults = [tools, publisher, acker].flatMap((result) => (result.ok ? [] : result.faults));
    return { ok: false, faults: [...new Set(faults)] };
  }
  const plan: Plan = {
    dataDir: tools.config.ACKTOR_DATA_DIR,
    ownPostgres,
    ownBroker,
    httpHost: publisher.config.HTTP_HOST,
    publisherPort: { variable: "HTTP_PORT", port: publisher.config.HTTP_PORT, fixed: Boolean(env["HTTP_PORT"]) },
    ackerPort: {
      variable: "ACKTOR_ACKER_HTTP_PORT",
      port: tools.config.ACKTOR_ACKER_HTTP_PORT,
      fixed: Boolean(env["ACKTOR_ACKER_HTTP_PORT"]),
    },
    needsToken: publisher.config.ACKTOR_API_TOKEN !== null,
    env,
  };
  return { ok: true, plan };
}

/** The acker's environment: its own port, and every topic. */
export function ackerEnvironment(env: Environment, port: string): Environment {
  return { ...env, HTTP_PORT: port, ACKTOR_TOPICS: env["ACKTOR_TOPICS"] || "#" };
}
