/**
 * The broker, by a connection like the publisher's: what CONNACK grants, how long a PUBLISH takes until its PUBACK, and
 * whose acks arrive under the configured prefix.
 *
 * It publishes only to `acktor/doctor/<id>`, not retained: a subscriber of `#` receives `PUBLISHES` small messages that are
 * not envelopes. The connection is closed when the check returns.
 */
import { randomUUID } from "node:crypto";
import type { BrokerLimits, Link, LinkInfo, PublishOutcome } from "@acktor/shared/link/link";
import { makeServiceLink } from "@acktor/shared/link/service-link";
import { ackTopicId } from "@acktor/shared/protocol/topics";
import { pause } from "@acktor/shared/runtime/pause";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, median, ok, warn } from "./check.ts";

const PUBLISHES = 5;
const SLOW_MS = 200;
/** 256 KiB of content as base64, in an envelope. */
const LARGEST_MESSAGE_BYTES = 360_000;
const MOST_ACKS = 1_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore, fatal: ignore };

function ignore(): void {
  // The doctor reports what the link would log.
}

export interface BrokerFindings {
  readonly checks: readonly Check[];
  /** Ids of the acks that arrived while it listened; null if it could not connect. */
  readonly ackedIds: readonly string[] | null;
}

/**
 * @param listenMs how long to listen for acks
 * @param serviceIsConnected the service reported this address and is connected to it
 */
export async function checkBroker(
  session: Session,
  config: PublisherSettings,
  listenMs: number,
  serviceIsConnected: boolean,
): Promise<BrokerFindings> {
  const link = makeServiceLink(config, SILENT, { name: "acktor-doctor" });
  const acked = new Set<string>();
  link.subscribe({ filter: `${config.ACKTOR_ACK_PREFIX}/+`, qos: 1 });
  link.on("link.message", ({ topic }) => {
    const id = ackTopicId(config.ACKTOR_ACK_PREFIX, topic);
    if (id !== null && UUID.test(id) && acked.size < MOST_ACKS) acked.add(id.toLowerCase());
  });
  const stop = (): void => void link.stop();
  session.signal.addEventListener("abort", stop, { once: true });
  try {
    await link.connect({ waitMs: config.ACKTOR_CONNECT_TIMEOUT + 1_000 });
    const info = link.info();
    if (info.state !== "CONNECTED")
      return { checks: [(serviceIsConnected ? onlyForTheService : notConnected)(session, info)], ackedIds: null };
    const published = await publishSome(session, link);
    if (listenMs > 0) await pause(listenMs, session.signal);
    return { checks: [judgePublish(session, info, published), judgeLimits(session, info)], ackedIds: [...acked] };
  } finally {
    session.signal.removeEventListener("abort", stop);
    await link.stop();
  }
}

function notConnected({ texts }: Session, { broker, state, lastError }: LinkInfo): Check {
  const { doctor: t } = texts;
  const reason = lastError === null ? state : `${lastError.type}: ${printable(lastError.reason, 200)}`;
  const fix = t.brokerFixes[lastError?.type ?? "network"];
  return failed("broker", `${printable(broker)}: ${reason}`, fix, {
    type: lastError?.type ?? null,
    code: lastError?.code ?? null,
  });
}

/** As with docker compose: only its containers know the name or the password. The broker is not at fault. */
function onlyForTheService({ texts }: Session, { broker, lastError }: LinkInfo): Check {
  const { doctor: t } = texts;
  const why = printable(lastError?.reason ?? "", 200);
  return warn("broker", t.brokerElsewhere(printable(broker), why), t.configMissingFix, {
    code: lastError?.code ?? null,
  });
}

interface Published {
  readonly times: readonly number[];
  /** The first outcome other than `acked`; null if there is none. */
  readonly failure: PublishOutcome | null;
}

async function publishSome({ clock }: Session, link: Link): Promise<Published> {
  const topic = `acktor/doctor/${randomUUID()}`;
  const times: number[] = [];
  for (let i = 0; i < PUBLISHES; i++) {
    const begin = clock.now();
    const outcome = await new Promise<PublishOutcome>((resolve) => {
      link.publish({ topic, payload: "acktor doctor", qos: 1, retain: false, expirySeconds: 60 }, resolve);
    });
    if (outcome.kind !== "acked") return { times, failure: outcome };
    times.push(clock.now() - begin);
  }
  return { times, failure: null };
}

function judgePublish({ texts }: Session, { broker, protocolVersion }: LinkInfo, { times, failure }: Published): Check {
  const { doctor: t } = texts;
  const version = protocolVersion === 5 ? "MQTT 5" : "MQTT 3.1.1";
  if (failure !== null) {
    const why =
      failure.kind === "refused" || failure.kind === "acked" ? `0x${failure.reasonCode.toString(16)}` : failure.why;
    return failed("broker", t.publishFailed(printable(broker), version, `${failure.kind} ${why}`), t.publishFix);
  }
  const ms = median(times);
  const found = t.brokerFound(printable(broker), version, ms.toFixed(1));
  const data = { round_trip_ms: ms, protocol: version };
  return ms > SLOW_MS ? warn("broker", found, t.brokerSlowFix, data) : ok("broker", found, data);
}

function judgeLimits({ texts }: Session, { limits, protocolVersion }: LinkInfo): Check {
  const { doctor: t } = texts;
  if (limits === null) return warn("broker limits", t.limitsUnknown, t.brokerFixes.network);
  const data = {
    receive_maximum: limits.receiveMaximum,
    maximum_packet_size: limits.maximumPacketSize,
    maximum_qos: limits.maximumQos,
    retain_available: limits.retainAvailable,
    shared_subscriptions: limits.sharedSubscriptions,
  };
  const found = protocolVersion === 5 ? spell(limits) : t.limitsUntold;
  if (limits.maximumQos === 0) return failed("broker limits", found, t.qosFix, data);
  if (limits.maximumPacketSize < LARGEST_MESSAGE_BYTES) return warn("broker limits", found, t.packetFix, data);
  return ok("broker limits", found, data);
}

function spell(limits: BrokerLimits): string {
  const { receiveMaximum, maximumPacketSize, maximumQos, retainAvailable, sharedSubscriptions } = limits;
  return [
    `Receive Maximum ${receiveMaximum}`,
    `Maximum Packet Size ${maximumPacketSize}`,
    `Maximum QoS ${maximumQos}`,
    `Retain ${retainAvailable ? 1 : 0}`,
    `Shared Subscription ${sharedSubscriptions ? 1 : 0}`,
  ].join(", ");
}
