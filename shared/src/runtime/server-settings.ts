/** Settings that both services have: their servers, their HTTP address, their keys. */

import type { SignatureVersion } from "../protocol/ack-proof.ts";
import { DEFAULT_NATS_PREFIX, INSTANCE_NAME, prefixFault } from "../protocol/subjects.ts";
import { DEFAULT_ACK_PREFIX, DEFAULT_PRESENCE_PREFIX, topicFault } from "../protocol/topics.ts";
import { hostNameFault } from "./browser-guard.ts";
import { clientIdFault } from "./client-id.ts";
import {
  choice,
  duration,
  integer,
  list,
  listOf,
  optional,
  readBy,
  required,
  type Setting,
  secret,
  secretText,
  text,
  url,
  withDefault,
} from "./config.ts";
import { readOtlpHeaders } from "./otlp-headers.ts";
import { readCommand } from "./password-command.ts";
import { certificateFault, databaseUrlFault, privateKeyFault } from "./tls-settings.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;

const certificate = (description: string) => ({
  ...optional(description, "…", text(certificateFault)),
  fromFile: true as const,
});

export const serverSettings = {
  DATABASE_URL: secret(
    required(
      "PostgreSQL 15 to 18, as a URL or as keyword=value text. Several hosts, separated by commas: the first one that can write is used.",
      "postgres://acktor:secret@127.0.0.1:5432/acktor",
      text(databaseUrlFault),
    ),
  ),
  DATABASE_CA: certificate(
    "CA certificate of PostgreSQL's certificate (PEM). With it, the connection uses TLS and is verified.",
  ),
  ACKTOR_DATABASE_POOLER: withDefault(
    "auto",
    "How a pooler in front of PostgreSQL works (pool_mode): session or transaction. Default: without a pooler as with session, behind one as with transaction.",
    choice("auto", "session", "transaction"),
    "transaction",
  ),
  ACKTOR_DATABASE_CONNECTIONS: optional(
    "Connections to PostgreSQL at most, of this process. Default: 7 (publisher), 9 (acker).",
    "4",
    integer(2, 100),
  ),
  MQTT_URL: required(
    "The MQTT broker. MQTT 5 where the broker supports it, 3.1.1 otherwise.",
    "mqtt://127.0.0.1:1883",
    url("mqtt", "mqtts", "ws", "wss"),
  ),
  MQTT_USERNAME: optional("User name at the broker.", "publisher", text()),
  ACKTOR_CLIENT_ID: optional(
    "MQTT client id, for a broker that prescribes one; {role}, {host}, {instance} and {random} are filled in. It must differ in every process. Default: 21 to 23 letters and digits.",
    "{role}-{instance}",
    text(clientIdFault),
  ),
  MQTT_PASSWORD: secret(
    optional(
      "Password at the broker. A file is read at each connect; a JSON Web Token is renewed before it ends.",
      "…",
      text(),
    ),
  ),
  ACKTOR_MQTT_PASSWORD_COMMAND: optional(
    "Program that writes the password to standard output, run at each connect without a shell (10 s at most), instead of MQTT_PASSWORD.",
    "/usr/local/bin/broker-token --audience mqtt",
    readBy(readCommand),
  ),
  ACKTOR_MQTT_AUTH_METHOD: optional(
    "Authentication Method of MQTT 5, with the password as Authentication Data, for brokers that take a token so.",
    "OAUTH2-JWT",
    text((v) => (/^[\x21-\x7e]{1,100}$/.test(v) ? null : "is not 1 to 100 printable characters")),
  ),
  ACKTOR_MQTT_ALPN: optional(
    "Protocol names of ALPN for mqtts, separated by commas: AWS IoT on port 443 needs x-amzn-mqtt-ca.",
    "x-amzn-mqtt-ca",
    list((item) => (/^[\x21-\x7e]{1,255}$/.test(item) ? null : "is not 1 to 255 printable characters")),
  ),
  MQTT_CA: certificate(
    "CA certificate of the broker's certificate (PEM), for mqtts and wss. Default: the CAs of the system.",
  ),
  MQTT_CERT: certificate("Client certificate (PEM), for a broker that requires one. Needs MQTT_KEY."),
  MQTT_KEY: secret(optional("Private key of MQTT_CERT (PEM).", "…", text(privateKeyFault))),
  NATS_URL: secret(
    optional(
      "NATS server of the control plane: replicas see each other and exchange commands. Without it, each process sees only itself.",
      "nats://127.0.0.1:4222",
      url("nats", "tls"),
    ),
  ),
  NATS_CA: certificate(
    "CA certificate of the NATS server's certificate (PEM), for tls. Default: the CAs of the system.",
  ),
  ACKTOR_NATS_PREFIX: withDefault(
    DEFAULT_NATS_PREFIX,
    "First words of every subject on NATS. Use one prefix for each fleet that shares a server.",
    text(prefixFault),
  ),
  ACKTOR_NATS_SECRET: secretText(
    "Shared secret of the fleet on NATS; it signs commands and all other messages there. Default: ACKTOR_API_TOKEN. A NATS_URL that is not loopback requires one of the two.",
  ),
  ACKTOR_NATS_INBOX: withDefault(
    "_INBOX",
    "First word of the reply subjects, so that each NATS user can have permissions of its own, for example _INBOX_publisher.",
    text((v) => (/^[A-Za-z0-9_-]{1,50}$/.test(v) ? null : "is not 1 to 50 letters, digits, dashes or underscores")),
    "_INBOX_publisher",
  ),
  HTTP_HOST: withDefault(
    "127.0.0.1",
    "Address on which the service listens. Any address but loopback requires ACKTOR_API_TOKEN.",
    text(),
  ),
  ACKTOR_ALLOWED_HOSTS: optional(
    "Host names under which the services answer HTTP requests, separated by commas. IP addresses, loopback names and HTTP_HOST are always allowed.",
    "acktor.example.com,publisher",
    list(hostNameFault),
  ),
  ACKTOR_RATE_LIMIT: optional(
    "Maximum requests per second from one address, health routes excluded; 0 = no limit. Default: no limit on loopback, 1000 elsewhere.",
    "1000",
    integer(0, 1_000_000),
  ),
  LOG_LEVEL: withDefault(
    "info",
    "Lowest level that is logged.",
    choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    "Receiver of trace spans (OpenTelemetry, OTLP over HTTP). Without it, tracing is off and its code is not loaded.",
    "http://127.0.0.1:4318",
    url("http", "https"),
  ),
  OTEL_EXPORTER_OTLP_HEADERS: secret(
    optional(
      "Headers sent with the spans, for a collector that requires a key: name=value, separated by commas, values percent-encoded.",
      "authorization=Bearer%20token",
      readBy(readOtlpHeaders),
    ),
  ),
  ACKTOR_API_TOKEN: secretText("Bearer token; with it, every /v1 route requires it."),
  ACKTOR_ACK_SECRET: secretText(
    "Secret shared by publishers and ackers (HMAC-SHA256): publishers sign messages with it, ackers sign acks. With it, unsigned acks have no effect and unsigned messages are not processed.",
  ),
  ACKTOR_ACK_SECRET_OLD: secretText(
    "Second secret whose signatures are accepted as well, while ACKTOR_ACK_SECRET is being changed.",
  ),
  ACKTOR_ACK_SIGNATURES: withDefault(
    "2",
    "Signature versions that are accepted where a key is configured, separated by commas. Allow version 1 only until both ends are upgraded: any client that may publish data topics can forge it.",
    listOf<SignatureVersion>("1", "2"),
    "1,2",
  ),
  ACKTOR_INSTANCE: optional(
    "Name of this process among its replicas. Default: host name and port.",
    "acker-1",
    text((v) => (INSTANCE_NAME.test(v) ? null : "is not 1 to 63 letters, digits, dots, dashes or underscores")),
  ),
  ACKTOR_ACK_PREFIX: withDefault(
    DEFAULT_ACK_PREFIX,
    "Topic prefix of acks. Use one prefix for each outbox that shares a broker.",
    text(topicFault),
  ),
  ACKTOR_PRESENCE_PREFIX: withDefault(
    DEFAULT_PRESENCE_PREFIX,
    "Topic prefix under which ackers announce themselves.",
    text(topicFault),
  ),
  ACKTOR_PRESENCE: withDefault(
    "on",
    "Ackers announce themselves (birth and will, retained), and publishers listen. off: for a broker that allows neither; messages of an absent acker then wait for their next retry.",
    choice("on", "off"),
    "off",
  ),
  ACKTOR_MIGRATE: withDefault(
    "on",
    "Creates and upgrades the database schema at the start.",
    choice("on", "off"),
    "off",
  ),
  ACKTOR_INBOX_WINDOW: withDefault(
    "30d",
    "How long the inbox remembers a message. Older messages are replayed only with force.",
    duration(HOUR, 3_650 * DAY),
  ),
} as const satisfies Record<string, Setting>;
