/** Settings of the connection to the broker, in both services. */
import { choice, duration, integer, optional, ratio, type Setting, withDefault } from "./config.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export const linkSettings = {
  ACKTOR_MQTT_VERSION: withDefault(
    "auto",
    "MQTT version; auto tries 5 and falls back to 3.1.1.",
    choice("auto", "5", "3.1.1"),
  ),
  ACKTOR_KEEPALIVE: withDefault(
    "5s",
    "MQTT keepalive. A dead connection is detected after one and a half keepalives.",
    duration(1_000, 5 * MINUTE),
  ),
  ACKTOR_CONNECT_TIMEOUT: withDefault(
    "5s",
    "To the open socket, from there to CONNACK, and to each SUBACK; longer on a line that is found to be slow.",
    duration(100, MINUTE),
  ),
  ACKTOR_PUBLISH_DEADLINE: withDefault(
    "2s",
    "A PUBLISH without PUBACK for this long counts as lost; longer where the measured round trip is, up to 30s.",
    duration(100, MINUTE),
  ),
  ACKTOR_PUBLISH_RATE: optional(
    "Most PUBLISHes a second, acks included. Default: no limit, or the broker's quota where it leaves PUBLISHes unanswered.",
    "100",
    integer(1, 1_000_000),
  ),
  ACKTOR_BACKOFF: withDefault("full", "Jitter of the reconnect backoff.", choice("full", "equal", "decorrelated")),
  ACKTOR_BACKOFF_BASE: withDefault("500ms", "First step of the reconnect backoff.", duration(10, MINUTE)),
  ACKTOR_BACKOFF_CAP: withDefault(
    "8s",
    "Longest wait of the reconnect backoff; use 30s for a large fleet.",
    duration(100, HOUR),
  ),
  ACKTOR_BREAKER_WINDOW: withDefault(
    "10s",
    "Period over which the circuit breaker counts publishes.",
    duration(1_000, 10 * MINUTE),
  ),
  ACKTOR_BREAKER_MIN_CALLS: withDefault(
    "20",
    "The circuit breaker does not open with fewer publishes than this in its period.",
    integer(1, 1_000_000),
  ),
  ACKTOR_BREAKER_FAILURE_RATIO: withDefault(
    "0.5",
    "Share of failed publishes that opens the circuit breaker.",
    ratio(),
  ),
} as const satisfies Record<string, Setting>;
