/** Settings of the acker alone. */
import { readPrivateKey, readPublicKeys } from "../protocol/keys.ts";
import { readTopicMap } from "../protocol/topic-map.ts";
import { filterFault } from "../protocol/topics.ts";
import {
  choice,
  integer,
  list,
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

export const ackerOwn = {
  HTTP_PORT: withDefault("8081", "Port on which the acker listens; 0 = any free port.", integer(0, 65_535)),
  ACKTOR_TOPICS: required(
    "Topic filters to subscribe to, separated by commas; at most 100, and 8 KiB in total. A filter must not match the ack and presence prefixes; `#` alone subscribes to all other topics.",
    "sensors/#,orders/+/created",
    list(filterFault),
  ),
  ACKTOR_TOPIC_MAP: optional(
    "How topics change between publisher and acker, separated by commas: received-prefix=sent-prefix for a bridge or mountpoint, rabbitmq for its . and *. A message that arrives on site7/x then counts as sent to x. See docs/how-to/bridges-and-brokers.md.",
    "site7/=",
    readBy(readTopicMap),
  ),
  ACKTOR_ACK_PRIVATE_KEY: secret(
    optional(
      "Ed25519 private key (PKCS #8, PEM) with which this acker signs its acks, instead of ACKTOR_ACK_SECRET.",
      "…",
      readBy(readPrivateKey),
    ),
  ),
  ACKTOR_ENVELOPE_PUBLIC_KEYS: {
    ...optional(
      "Ed25519 public keys of the publishers, concatenated PEM. With them, messages without a valid signature are not processed.",
      "…",
      readBy(readPublicKeys),
    ),
    fromFile: true,
  },
  ACKTOR_GROUP: optional(
    "Group of a shared subscription ($share/<group>/…), where the broker supports them.",
    "ackers",
    text((v) => (/^[^/+#\s]{1,100}$/.test(v) ? null : "contains a slash, a wildcard or white space")),
  ),
  ACKTOR_SHARED_ON_311: withDefault(
    "off",
    "Uses the group on MQTT 3.1.1 as well. Several 3.1.1 brokers grant the subscription and deliver nothing.",
    choice("on", "off"),
    "on",
  ),
  ACKTOR_HANDLER: withDefault(
    "inbox",
    "Handler of messages: inbox (the row in the inbox is the effect), log, or webhook (ACKTOR_WEBHOOK_URL).",
    choice("inbox", "log", "webhook"),
  ),
  ACKTOR_WEBHOOK_URL: optional(
    "URL to which the webhook handler posts each message.",
    "https://example.com/hooks/acktor",
    url("http", "https"),
  ),
  ACKTOR_WEBHOOK_HOSTS: optional(
    "Hosts that the webhook may use, and non-public addresses or ranges that it may use. Default: the host of the URL, at public addresses.",
    "app,172.16.0.0/12",
    list(() => null),
  ),
  ACKTOR_WEBHOOK_SECRET: secretText("Key that signs webhooks (Standard Webhooks): whsec_<base64>, or any text."),
  ACKTOR_QUEUE: withDefault(
    "5000",
    "Maximum number of messages received and not yet in the inbox. Further ones are dropped; the publisher sends them again.",
    integer(1, 1_000_000),
  ),
} as const satisfies Record<string, Setting>;
