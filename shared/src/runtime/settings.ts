/**
 * Every setting of acktor, so that the reference is generated, each service detects an unknown name, and one env file can
 * serve both services.
 */
import { hostname } from "node:os";
import { ackerOwn } from "./acker-settings.ts";
import { type ConfigOf, integer, namesOf, optional, type Setting, text, url, withDefault } from "./config.ts";
import { linkSettings } from "./link-settings.ts";
import { publisherOwn } from "./publisher-settings.ts";
import { serverSettings } from "./server-settings.ts";
import { isLoopback } from "./setting-faults.ts";

/** Settings of the tools and the tests, so that no service reports them as unknown. */
export const toolSettings = {
  ACKTOR_DATA_DIR: withDefault(".acktor", "Folder of the embedded PostgreSQL of `npm start`.", text()),
  ACKTOR_ACKER_HTTP_PORT: withDefault("8081", "Port of the acker in `npm start`.", integer(0, 65_535)),
  ACKTOR_URL: withDefault(
    "http://127.0.0.1:8080",
    "Service to which the `acktor` command connects.",
    url("http", "https"),
  ),
  ACKTOR_REQUIRE: optional("Tests: servers whose absence is a failure.", "mosquitto,nats-server", text()),
} as const satisfies Record<string, Setting>;

export const publisherSettings = { ...serverSettings, ...publisherOwn, ...linkSettings };
export const ackerSettings = { ...serverSettings, ...ackerOwn, ...linkSettings };

export type PublisherSettings = ConfigOf<typeof publisherSettings>;
export type AckerSettings = ConfigOf<typeof ackerSettings>;

/** Every name that any part of acktor reads. */
export const knownNames: readonly string[] = [
  ...new Set([publisherSettings, ackerSettings, toolSettings].flatMap((table) => namesOf(table))),
  "ACKTOR_TEST_PG15",
  "ACKTOR_TEST_PG18",
  "ACKTOR_TEST_KILLS",
  "ACKTOR_TEST_RABBITMQ",
  "ACKTOR_TEST_POOLER",
];

/** The configured name of this process; else host name and port, which are stable and unique on a host. */
export function instanceName(configured: string | null, port: number): string {
  if (configured !== null) return configured;
  const host = hostname()
    .replace(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 40);
  return `${host || "host"}-${port === 0 ? process.pid : port}`;
}

/** Host names of a service, in addition to IP addresses and loopback names. */
export function allowedHosts(config: {
  readonly HTTP_HOST: string;
  readonly ACKTOR_ALLOWED_HOSTS: readonly string[] | null;
}): string[] {
  return [config.HTTP_HOST, ...(config.ACKTOR_ALLOWED_HOSTS ?? [])];
}

const DEFAULT_RATE_LIMIT = 1_000;

/** Requests a second from one address; null: no limit. */
export function requestsPerSecond(host: string, configured: number | null): number | null {
  if (configured === null) return isLoopback(host) ? null : DEFAULT_RATE_LIMIT;
  return configured === 0 ? null : configured;
}
