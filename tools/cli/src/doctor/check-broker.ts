/**
 * The broker, by a connection like the publisher's: what CONNACK and SUBACK grant, how long a PUBLISH takes until its PUBACK,
 * whose acks arrive, and under which prefixes.
 *
 * It publishes only to `acktor/doctor/<id>`, not retained: a subscriber of `#` receives `PUBLISHES` small messages that are
 * not envelopes. The connection is closed when the check returns.
 */
import { randomUUID } from "node:crypto";
import type { BrokerLimits, Link, LinkInfo, PublishOutcome } from "@acktor/shared/link/link";
import { pause } from "@acktor/shared/runtime/pause";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { judgeFault } from "./broker-fault.ts";
import { connected, publisherLink } from "./broker-link.ts";
import { type Check, failed, median, ok, warn } from "./check.ts";
import { type Heard, HeardTopics } from "./heard-topics.ts";

const PUBLISHES = 5;
const SLOW_MS = 200;
/** 256 KiB of content as base64, in an envelope. */
const LARGEST_MESSAGE_BYTES = 360_000;

export interface BrokerFindings {
  readonly checks: readonly Check[];
  /** Null if it could not connect. */
  readonly heard: Heard | null;
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
  const link = publisherLink(config);
  const heard = new HeardTopics(config);
  link.on("link.message", (message) => heard.take(message));
  const stop = (): void => void link.stop();
  session.signal.addEventListener("abort", stop, { once: true });
  try {
    const info = await connected(link, config.ACKTOR_CONNECT_TIMEOUT + 1_000);
    if (info.state !== "CONNECTED") {
      await link.stop();
      const check = serviceIsConnected ? onlyForTheService(session, info) : await judgeFault(session, config, info);
      return { checks: [check], heard: null };
    }
    const published = await publishSome(session, link);
    const checks = [judgePublish(session, info, published), judgeLimits(session, info)];
    // Last, because a broker may end the connection on a filter that it does not permit.
    for (const filter of heard.foreignFilters)
      link.subscribe({ filter, qos: 0, need: "optional", ignoresRetained: true });
    if (listenMs > 0) await pause(listenMs, session.signal);
    const refused = judgeRefused(session, "subscriptions", link.info(), heard.foreignFilters);
    return { checks: [...checks, refused], heard: heard.all() };
  } finally {
    session.signal.removeEventListener("abort", stop);
    await link.stop();
  }
}

/** What the broker refused, and the service does without. @param extra filters of the doctor alone */
export function judgeRefused(session: Session, check: string, info: LinkInfo, extra: readonly string[]): Check {
  const t = session.texts.doctor;
  const refused = info.refused.filter(({ filter }) => filter === null || !extra.includes(filter));
  if (refused.length === 0) return ok(check, t.nothingRefused);
  const named = refused.map(({ feature, filter, reason }) => `${filter ?? feature}: ${reason}`);
  const data = { refused: refused.length };
  return warn(check, printable(named.join("; "), 300), t.refusedFeatureFix, data);
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
