/**
 * Every setting of acktor in one place, so that the reference is generated, an unknown name is noticed in any service,
 * and one env file can serve both services.
 */
import { hostname } from "node:os";
import type { SignatureVersion } from "../protocol/ack-proof.ts";
import { readPrivateKey, readPublicKeys } from "../protocol/keys.ts";
import { DEFAULT_NATS_PREFIX, INSTANCE_NAME, prefixFault } from "../protocol/subjects.ts";
import { DEFAULT_ACK_PREFIX, DEFAULT_PRESENCE_PREFIX, filterFault, isUnder, topicFault } from "../protocol/topics.ts";
import { hostNameFault } from "./browser-guard.ts";
import {
  type ConfigOf,
  choice,
  duration,
  integer,
  list,
  listOf,
  namesOf,
  ratio,
  readBy,
  type Setting,
  text,
  url,
} from "./config.ts";
import { policyRules } from "./error-policy.ts";
import { certificateFault, privateKeyFault, type TlsSettings, tlsFaults } from "./tls-settings.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const MINUTE = 60_000;

const serverSettings = {
  DATABASE_URL: {
    description: "PostgreSQL 15 to 18.",
    example: "postgres://acktor:secret@127.0.0.1:5432/acktor",
    required: true,
    secret: true,
    schema: url("postgres", "postgresql"),
  },
  DATABASE_CA: {
    description: "CA that signed PostgreSQL's certificate (PEM). With it the connection is TLS, and verified.",
    example: "…",
    fromFile: true,
    schema: text(certificateFault),
  },
  MQTT_URL: {
    description: "The broker. MQTT 5 where it is spoken, 3.1.1 otherwise.",
    example: "mqtt://127.0.0.1:1883",
    required: true,
    schema: url("mqtt", "mqtts", "ws", "wss"),
  },
  MQTT_USERNAME: { description: "User name at the broker.", example: "publisher", schema: text() },
  MQTT_PASSWORD: { description: "Password at the broker.", example: "…", secret: true, schema: text() },
  MQTT_CA: {
    description: "CA that signed the broker's certificate (PEM), for mqtts and wss. Default: the system's.",
    example: "…",
    fromFile: true,
    schema: text(certificateFault),
  },
  MQTT_CERT: {
    description: "Our own certificate (PEM), for a broker that asks for one. With MQTT_KEY.",
    example: "…",
    fromFile: true,
    schema: text(certificateFault),
  },
  MQTT_KEY: { description: "Its private key (PEM).", example: "…", secret: true, schema: text(privateKeyFault) },
  NATS_URL: {
    description: "Control plane: replicas see and command each other. Without it each process sees itself.",
    example: "nats://127.0.0.1:4222",
    secret: true,
    schema: url("nats", "tls"),
  },
  NATS_CA: {
    description: "CA that signed the NATS server's certificate (PEM), for tls. Default: the system's.",
    example: "…",
    fromFile: true,
    schema: text(certificateFault),
  },
  ACKTOR_NATS_PREFIX: {
    description: "First words of every subject on NATS; one for each fleet that shares a server.",
    example: "acktor.v1",
    fallback: DEFAULT_NATS_PREFIX,
    schema: text(prefixFault),
  },
  ACKTOR_NATS_SECRET: {
    description:
      "Shared secret of the fleet on NATS: signs commands and all that instances say there. Default: ACKTOR_API_TOKEN. A NATS_URL that is not loopback needs one of the two.",
    example: "…",
    secret: true,
    schema: text((v) => (v.length < 16 ? "is shorter than 16 characters" : null)),
  },
  ACKTOR_NATS_INBOX: {
    description:
      "First word of the subjects on which replies come, so that each user of NATS can be given its own: _INBOX_publisher.",
    example: "_INBOX_publisher",
    fallback: "_INBOX",
    schema: text((v) =>
      /^[A-Za-z0-9_-]{1,50}$/.test(v) ? null : "is not 1 to 50 letters, digits, dashes or underscores",
    ),
  },
  HTTP_HOST: {
    description: "Address to listen on. Anything but loopback needs ACKTOR_API_TOKEN.",
    example: "127.0.0.1",
    fallback: "127.0.0.1",
    schema: text(),
  },
  ACKTOR_ALLOWED_HOSTS: {
    description:
      "Host names under which the services may be asked for by HTTP, separated by commas. IP addresses, loopback names and HTTP_HOST always count.",
    example: "acktor.example.com,publisher",
    schema: list(hostNameFault),
  },
  ACKTOR_RATE_LIMIT: {
    description:
      "Most requests a second from one address, health routes left out; 0 = no limit. Default: none on loopback, 1000 elsewhere.",
    example: "1000",
    schema: integer(0, 1_000_000),
  },
  LOG_LEVEL: {
    description: "Least severe level that is logged.",
    example: "info",
    fallback: "info",
    schema: choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    description:
      "Where spans go (OpenTelemetry, OTLP over HTTP). Without it nothing is traced, and nothing of it is loaded.",
    example: "http://127.0.0.1:4318",
    schema: url("http", "https"),
  },
  ACKTOR_API_TOKEN: {
    description: "Bearer token that every /v1 route then wants.",
    example: "…",
    secret: true,
    schema: text((v) => (v.length < 16 ? "is shorter than 16 characters" : null)),
  },
  ACKTOR_ACK_SECRET: {
    description:
      "Secret that publishers and ackers share (HMAC-SHA256): the publisher signs messages with it, the acker acks. With it, unsigned acks change nothing and unsigned messages are not processed.",
    example: "…",
    secret: true,
    schema: text((v) => (v.length < 16 ? "is shorter than 16 characters" : null)),
  },
  ACKTOR_ACK_SECRET_OLD: {
    description: "A second secret whose signatures count, while ACKTOR_ACK_SECRET is changed.",
    example: "…",
    secret: true,
    schema: text((v) => (v.length < 16 ? "is shorter than 16 characters" : null)),
  },
  ACKTOR_ACK_SIGNATURES: {
    description:
      "Versions of signatures that count where a key is configured, separated by commas. Version 1 is for the time until both ends are upgraded: it can be forged by who may write data topics.",
    example: "1,2",
    fallback: "2",
    schema: listOf<SignatureVersion>("1", "2"),
  },
  ACKTOR_INSTANCE: {
    description: "Name of this process among its replicas. Default: host name and port.",
    example: "acker-1",
    schema: text((v) => (INSTANCE_NAME.test(v) ? null : "is not 1 to 63 letters, digits, dots, dashes or underscores")),
  },
  ACKTOR_ACK_PREFIX: {
    description: "Topic prefix of acks; one for each outbox that shares a broker.",
    example: "delivery/ack",
    fallback: DEFAULT_ACK_PREFIX,
    schema: text(topicFault),
  },
  ACKTOR_PRESENCE_PREFIX: {
    description: "Topic prefix on which ackers announce themselves.",
    example: "delivery/acker",
    fallback: DEFAULT_PRESENCE_PREFIX,
    schema: text(topicFault),
  },
  ACKTOR_MIGRATE: {
    description: "Create and upgrade the schema at start.",
    example: "off",
    fallback: "on",
    schema: choice("on", "off"),
  },
  ACKTOR_INBOX_WINDOW: {
    description: "How long the inbox remembers a message; older ones are not replayed unless forced.",
    example: "30d",
    fallback: "30d",
    schema: duration(HOUR, 3_650 * DAY),
  },
} as const satisfies Record<string, Setting>;

const linkSettings = {
  ACKTOR_MQTT_VERSION: {
    description: "Protocol version; auto tries 5 and falls back.",
    example: "auto",
    fallback: "auto",
    schema: choice("auto", "5", "3.1.1"),
  },
  ACKTOR_KEEPALIVE: {
    description: "MQTT keepalive; a dead link shows after one and a half of it.",
    example: "5s",
    fallback: "5s",
    schema: duration(1_000, 5 * MINUTE),
  },
  ACKTOR_CONNECT_TIMEOUT: {
    description: "From opening the socket to the last SUBACK.",
    example: "5s",
    fallback: "5s",
    schema: duration(100, MINUTE),
  },
  ACKTOR_PUBLISH_DEADLINE: {
    description: "A PUBLISH without PUBACK for this long is lost.",
    example: "2s",
    fallback: "2s",
    schema: duration(100, MINUTE),
  },
  ACKTOR_BACKOFF: {
    description: "Schedule of reconnects.",
    example: "full",
    fallback: "full",
    schema: choice("full", "equal", "decorrelated"),
  },
  ACKTOR_BACKOFF_BASE: {
    description: "First step of the reconnect schedule.",
    example: "500ms",
    fallback: "500ms",
    schema: duration(10, MINUTE),
  },
  ACKTOR_BACKOFF_CAP: {
    description: "Longest wait of the reconnect schedule; 30s for a fleet.",
    example: "8s",
    fallback: "8s",
    schema: duration(100, HOUR),
  },
  ACKTOR_BREAKER_WINDOW: {
    description: "Time over which the circuit breaker counts.",
    example: "10s",
    fallback: "10s",
    schema: duration(1_000, 10 * MINUTE),
  },
  ACKTOR_BREAKER_MIN_CALLS: {
    description: "Fewer publishes than this in the window never open the breaker.",
    example: "20",
    fallback: "20",
    schema: integer(1, 1_000_000),
  },
  ACKTOR_BREAKER_FAILURE_RATIO: {
    description: "Share of failed publishes that opens the breaker.",
    example: "0.5",
    fallback: "0.5",
    schema: ratio(),
  },
} as const satisfies Record<string, Setting>;

const publisherOwn = {
  HTTP_PORT: {
    description: "Port to listen on; 0 = any free one.",
    example: "8080",
    fallback: "8080",
    schema: integer(0, 65_535),
  },
  ACKTOR_ENVELOPE_PRIVATE_KEY: {
    description:
      "Ed25519 private key (PKCS #8, PEM) with which this publisher signs its messages, instead of ACKTOR_ACK_SECRET.",
    example: "…",
    secret: true,
    schema: readBy(readPrivateKey),
  },
  ACKTOR_ACK_PUBLIC_KEYS: {
    description:
      "Ed25519 public keys of the ackers, in PEM, one after the other. With them, acks that no key signed change nothing.",
    example: "…",
    fromFile: true,
    schema: readBy(readPublicKeys),
  },
  ACKTOR_HIGH_WATER: {
    description: "Waiting rows at which intake answers 429.",
    example: "1000000",
    fallback: "1000000",
    schema: integer(1, 1_000_000_000),
  },
  ACKTOR_DEFAULT_TTL: {
    description: "Life of a message without ttl_seconds. Default: until an acker answers.",
    example: "3600s",
    schema: duration(1_000, 3_650 * DAY),
  },
  ACKTOR_MAX_RETRIES: {
    description: "PUBLISHes after the first before a message without max_retries fails. Default: no limit.",
    example: "10",
    schema: integer(0, 1_000_000),
  },
  ACKTOR_RETENTION: {
    description: "How long finished rows stay.",
    example: "7d",
    fallback: "7d",
    schema: duration(HOUR, 3_650 * DAY),
  },
  ACKTOR_IDEMPOTENCY_WINDOW: {
    description: "How long an Idempotency-Key holds at least.",
    example: "24h",
    fallback: "24h",
    schema: duration(MINUTE, 365 * DAY),
  },
  ACKTOR_WINDOW: {
    description: "Most un-acked messages at a time; half of the broker's queue per client is a good value.",
    example: "512",
    fallback: "512",
    schema: integer(1, 65_535),
  },
  ACKTOR_DESTINATION_LEVELS: {
    description: "Topic levels that make a destination; 0 = the whole topic.",
    example: "2",
    fallback: "0",
    schema: integer(0, 100),
  },
  ACKTOR_LEASE: {
    description: "How long a row belongs to the publisher that claimed it.",
    example: "15s",
    fallback: "15s",
    schema: duration(5_000, 10 * MINUTE),
  },
  ACKTOR_ACK_TIMEOUT_MIN: {
    description: "Least time to wait for an ack before the message is sent again.",
    example: "2s",
    fallback: "2s",
    schema: duration(100, HOUR),
  },
  ACKTOR_ACK_TIMEOUT_MAX: {
    description: "Most time to wait for an ack.",
    example: "30s",
    fallback: "30s",
    schema: duration(100, DAY),
  },
  ACKTOR_RETRY_BASE: {
    description: "First step of the pause between two PUBLISHes of a message, doubled each time, with full jitter.",
    example: "1s",
    fallback: "1s",
    schema: duration(10, HOUR),
  },
  ACKTOR_RETRY_CAP: {
    description: "Longest such pause.",
    example: "60s",
    fallback: "60s",
    schema: duration(10, DAY),
  },
  ACKTOR_POLICY: {
    description:
      "What to do per error type and MQTT reason code, as JSON: docs/how-to/error-policies.md. Default: send again with backoff.",
    example: '{"rules":[{"code":"0x87","do":"dead_letter"}]}',
    schema: policyRules(),
  },
  ACKTOR_POLL: {
    description: "How often the outbox is looked at for rows that nobody announced.",
    example: "200ms",
    fallback: "200ms",
    schema: duration(20, MINUTE),
  },
  ACKTOR_OLD_WAITING: {
    description: "A message that waits longer raises a warning.",
    example: "5m",
    fallback: "5m",
    schema: duration(1_000, 365 * DAY),
  },
} as const satisfies Record<string, Setting>;

const ackerOwn = {
  HTTP_PORT: {
    description: "Port to listen on; 0 = any free one.",
    example: "8081",
    fallback: "8081",
    schema: integer(0, 65_535),
  },
  ACKTOR_TOPICS: {
    description:
      "Filters to subscribe to, separated by commas; at most 100, and 8 KiB with all. None may select topics under our own prefixes; `#` alone selects everything else.",
    example: "sensors/#,orders/+/created",
    required: true,
    schema: list(filterFault),
  },
  ACKTOR_ACK_PRIVATE_KEY: {
    description:
      "Ed25519 private key (PKCS #8, PEM) with which this acker signs its acks, instead of ACKTOR_ACK_SECRET.",
    example: "…",
    secret: true,
    schema: readBy(readPrivateKey),
  },
  ACKTOR_ENVELOPE_PUBLIC_KEYS: {
    description:
      "Ed25519 public keys of the publishers, in PEM, one after the other. With them, messages that no key signed are not processed.",
    example: "…",
    fromFile: true,
    schema: readBy(readPublicKeys),
  },
  ACKTOR_GROUP: {
    description: "Shared subscription group ($share/<group>/…), where the broker has it.",
    example: "ackers",
    schema: text((v) => (/^[^/+#\s]{1,100}$/.test(v) ? null : "contains a slash, a wildcard or white space")),
  },
  ACKTOR_SHARED_ON_311: {
    description: "Use the group on MQTT 3.1.1 too. Several 3.1.1 brokers grant it and deliver nothing.",
    example: "on",
    fallback: "off",
    schema: choice("on", "off"),
  },
  ACKTOR_HANDLER: {
    description: "What processes a message: inbox (the row is the effect), log, or webhook (ACKTOR_WEBHOOK_URL).",
    example: "inbox",
    fallback: "inbox",
    schema: choice("inbox", "log", "webhook"),
  },
  ACKTOR_WEBHOOK_URL: {
    description: "Where the webhook handler posts each message.",
    example: "https://example.com/hooks/acktor",
    schema: url("http", "https"),
  },
  ACKTOR_WEBHOOK_HOSTS: {
    description:
      "Hosts that the webhook may be at, and addresses or ranges that it may be at though they are not public. Default: the URL's host, at public addresses.",
    example: "app,172.16.0.0/12",
    schema: list(() => null),
  },
  ACKTOR_WEBHOOK_SECRET: {
    description: "Signs webhooks (Standard Webhooks): whsec_<base64>, or any text.",
    example: "…",
    secret: true,
    schema: text((v) => (v.length < 16 ? "is shorter than 16 characters" : null)),
  },
  ACKTOR_QUEUE: {
    description: "Messages received and not yet in the inbox; more are dropped, and the outbox sends them again.",
    example: "5000",
    fallback: "5000",
    schema: integer(1, 1_000_000),
  },
} as const satisfies Record<string, Setting>;

/** Read by the tools around the pair and by the tests; named here so that no service takes them for typos. */
export const toolSettings = {
  ACKTOR_DATA_DIR: {
    description: "Folder of the embedded PostgreSQL of `npm start`.",
    example: ".acktor",
    fallback: ".acktor",
    schema: text(),
  },
  ACKTOR_ACKER_HTTP_PORT: {
    description: "Port of the acker in `npm start`.",
    example: "8081",
    fallback: "8081",
    schema: integer(0, 65_535),
  },
  ACKTOR_URL: {
    description: "Service that the `acktor` command talks to.",
    example: "http://127.0.0.1:8080",
    fallback: "http://127.0.0.1:8080",
    schema: url("http", "https"),
  },
  ACKTOR_REQUIRE: {
    description: "Tests: servers whose absence is a failure.",
    example: "mosquitto,nats-server",
    schema: text(),
  },
} as const satisfies Record<string, Setting>;

export const publisherSettings = { ...serverSettings, ...publisherOwn, ...linkSettings };
export const ackerSettings = { ...serverSettings, ...ackerOwn, ...linkSettings };

export type PublisherSettings = ConfigOf<typeof publisherSettings>;
export type AckerSettings = ConfigOf<typeof ackerSettings>;

/** Every name that some part of acktor reads. */
export const knownNames: readonly string[] = [
  ...new Set([publisherSettings, ackerSettings, toolSettings].flatMap((table) => namesOf(table))),
  "ACKTOR_TEST_PG15",
  "ACKTOR_TEST_PG18",
  "ACKTOR_TEST_KILLS",
];

/** The name of this process: as configured, or the host's name and the port, which is stable and unique on a host. */
export function instanceName(configured: string | null, port: number): string {
  if (configured !== null) return configured;
  const host = hostname()
    .replace(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 40);
  return `${host || "host"}-${port === 0 ? process.pid : port}`;
}

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

/** The fault of a key that signs or verifies one direction while the other is not authenticated, or null. */
export function oneWayFault(
  given: { readonly name: string; readonly isSet: boolean },
  needed: { readonly name: string; readonly isSet: boolean },
  config: { readonly ACKTOR_ACK_SECRET?: string | null; readonly ACKTOR_ACK_SIGNATURES?: readonly SignatureVersion[] },
): string | null {
  if (!given.isSet || needed.isSet || config.ACKTOR_ACK_SECRET !== null) return null;
  if (config.ACKTOR_ACK_SIGNATURES === undefined || config.ACKTOR_ACK_SIGNATURES.includes("1")) return null;
  return `${given.name} is set, and messages are not signed: set ${needed.name} or ACKTOR_ACK_SECRET too. Example: ${needed.name}_FILE=/run/secrets/envelope.pem`;
}

/** What both services cross-check; a setting that could not be read takes part in nothing. */
interface SharedSettings extends TlsSettings {
  readonly HTTP_HOST?: string;
  readonly ACKTOR_API_TOKEN?: string | null;
  readonly ACKTOR_NATS_SECRET?: string | null;
  readonly ACKTOR_ACK_PREFIX?: string;
  readonly ACKTOR_PRESENCE_PREFIX?: string;
}

/** Faults between the settings that both services have. */
export function sharedFaults(config: SharedSettings): string[] {
  const { HTTP_HOST: host, ACKTOR_API_TOKEN: token, ACKTOR_ACK_PREFIX: ack, ACKTOR_PRESENCE_PREFIX: presence } = config;
  const faults: string[] = tlsFaults(config);
  const exposed = host === undefined || token === undefined ? null : exposureFault(host, token);
  if (exposed !== null) faults.push(exposed);
  const open = openBusFault(config);
  if (open !== null) faults.push(open);
  if (ack !== undefined && presence !== undefined && (isUnder(ack, presence) || isUnder(presence, ack))) {
    faults.push(
      `ACKTOR_ACK_PREFIX (${ack}) and ACKTOR_PRESENCE_PREFIX (${presence}) overlap. Choose two separate prefixes.`,
    );
  }
  return faults;
}

/** Names under which a service may be asked for, in addition to IP addresses and loopback names. */
export function allowedHosts(config: {
  readonly HTTP_HOST: string;
  readonly ACKTOR_ALLOWED_HOSTS: readonly string[] | null;
}): string[] {
  return [config.HTTP_HOST, ...(config.ACKTOR_ALLOWED_HOSTS ?? [])];
}

const DEFAULT_RATE_LIMIT = 1_000;

/** Requests a second from one address; null: no limit. */
export function requestsPerSecond(host: string, configured: number | null): number | null {
  if (configured === null) return LOOPBACK.test(host) ? null : DEFAULT_RATE_LIMIT;
  return configured === 0 ? null : configured;
}

/** The fault of listening for strangers without a token (SPEC 4), or null. */
export function exposureFault(host: string, token: string | null): string | null {
  if (LOOPBACK.test(host) || token !== null) return null;
  return `HTTP_HOST ${host} is not loopback, so ACKTOR_API_TOKEN is required. Example: ACKTOR_API_TOKEN_FILE=/run/secrets/api-token`;
}

/** The fault of being commanded over a network by what proves nothing, or null. */
function openBusFault({
  NATS_URL: url,
  ACKTOR_NATS_SECRET: secret,
  ACKTOR_API_TOKEN: token,
}: SharedSettings): string | null {
  if (typeof url !== "string" || secret !== null || token !== null) return null;
  const { hostname } = new URL(url);
  if (LOOPBACK.test(hostname.replace(/^\[|\]$/g, ""))) return null;
  return `NATS_URL names ${hostname}, which is not loopback, so ACKTOR_NATS_SECRET (or ACKTOR_API_TOKEN) is required: without it every client of that server may command this service. Example: ACKTOR_NATS_SECRET_FILE=/run/secrets/nats-secret`;
}
