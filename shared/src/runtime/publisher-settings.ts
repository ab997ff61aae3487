/** Settings of the publisher alone. */
import { readAckPrefixes } from "../protocol/ack-prefixes.ts";
import { readPrivateKey, readPublicKeys } from "../protocol/keys.ts";
import { readPresenceFrom } from "../protocol/presence-from.ts";
import { duration, integer, optional, readBy, type Setting, secret, withDefault } from "./config.ts";
import { policyRules } from "./error-policy.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const publisherOwn = {
  HTTP_PORT: withDefault("8080", "Port on which the publisher listens; 0 = any free port.", integer(0, 65_535)),
  ACKTOR_ENVELOPE_PRIVATE_KEY: secret(
    optional(
      "Ed25519 private key (PKCS #8, PEM) with which this publisher signs its messages, instead of ACKTOR_ACK_SECRET.",
      "…",
      readBy(readPrivateKey),
    ),
  ),
  ACKTOR_ACK_PUBLIC_KEYS: {
    ...optional(
      "Ed25519 public keys of the ackers, concatenated PEM. With them, acks without a valid signature have no effect.",
      "…",
      readBy(readPublicKeys),
    ),
    fromFile: true,
  },
  ACKTOR_ACK_TOPIC_FOR: optional(
    "Prefix under which the receivers of some topics see ACKTOR_ACK_PREFIX, because a bridge or a mountpoint renames it: filter=prefix, separated by commas. See docs/how-to/bridges-and-brokers.md.",
    "data/#=site7/delivery/ack",
    readBy(readAckPrefixes),
  ),
  ACKTOR_HIGH_WATER: withDefault(
    "1000000",
    "Number of waiting messages at which the publisher answers new ones with 429.",
    integer(1, 1_000_000_000),
  ),
  ACKTOR_DEFAULT_TTL: optional(
    "Lifetime of a message without ttl_seconds. Default: until an acker answers.",
    "3600s",
    duration(1_000, 3_650 * DAY),
  ),
  ACKTOR_MAX_RETRIES: optional(
    "Number of retries after which a message without max_retries is marked failed. Default: no limit.",
    "10",
    integer(0, 1_000_000),
  ),
  ACKTOR_RETENTION: withDefault("7d", "How long finished messages stay in the outbox.", duration(HOUR, 3_650 * DAY)),
  ACKTOR_IDEMPOTENCY_WINDOW: withDefault(
    "24h",
    "How long an Idempotency-Key is remembered at least.",
    duration(MINUTE, 365 * DAY),
  ),
  ACKTOR_WINDOW: withDefault(
    "512",
    "Maximum number of messages in flight. Half of the broker's queue per client is a good value.",
    integer(1, 65_535),
  ),
  ACKTOR_DESTINATION_LEVELS: withDefault(
    "0",
    "Number of topic levels that form a destination; 0 = the full topic.",
    integer(0, 100),
    "2",
  ),
  ACKTOR_LEASE: withDefault(
    "15s",
    "How long a publisher owns the messages that it claimed.",
    duration(5_000, 10 * MINUTE),
  ),
  ACKTOR_ACK_TIMEOUT_MIN: withDefault(
    "2s",
    "Shortest ack timeout, after which a message is sent again; longer on a line that is found to be slow.",
    duration(100, HOUR),
  ),
  ACKTOR_ACK_TIMEOUT_MAX: withDefault("30s", "Longest ack timeout.", duration(100, DAY)),
  ACKTOR_RETRY_BASE: withDefault(
    "1s",
    "First step of the retry backoff of a message; each step is twice as long, with full jitter.",
    duration(10, HOUR),
  ),
  ACKTOR_RETRY_CAP: withDefault("60s", "Longest wait of the retry backoff.", duration(10, DAY)),
  ACKTOR_BROKER_HOLD: withDefault(
    "0",
    "How long the broker's copy of a message is trusted to wait in its receiver's session, of messages without hold_seconds; 0 = send again after the ack timeout: docs/how-to/devices-that-sleep.md.",
    duration(0, 31 * DAY),
    "15m",
  ),
  ACKTOR_POLICY: optional(
    "Action for each error type and MQTT reason code, as JSON: docs/how-to/error-policies.md. Default: retry with backoff.",
    '{"rules":[{"code":"0x87","do":"dead_letter"}]}',
    policyRules(),
  ),
  ACKTOR_POLL: withDefault(
    "200ms",
    "How often the publisher looks for due messages without a notification.",
    duration(20, MINUTE),
  ),
  ACKTOR_PRESENCE_FROM: optional(
    "What tells that a device without acktor is there: filters of uplinks with {id}, and emqx, mosquitto, aws or sparkplug, separated by commas: docs/how-to/presence.md.",
    "devices/{id}/up,emqx=devices/{id}/#",
    readBy(readPresenceFrom),
  ),
  ACKTOR_OLD_WAITING: withDefault("5m", "A message that waits longer raises a warning.", duration(1_000, 365 * DAY)),
} as const satisfies Record<string, Setting>;
