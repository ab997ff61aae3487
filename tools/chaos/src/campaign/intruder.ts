/**
 * An adversary at the broker, without a key. It sends acks for messages that were never sent, and forgeries of each form
 * (`forgeries.ts`) for messages that were sent.
 */
import { randomUUID } from "node:crypto";
import { createLink } from "@acktor/shared/link/create-link";
import type { Link } from "@acktor/shared/link/link";
import { parseObject } from "@acktor/shared/protocol/envelope";
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import { pause } from "@acktor/shared/runtime/pause";
import { TOPIC_ROOT } from "../scenarios/scenario.ts";
import { pick, type Random } from "../seeded-random.ts";
import { type Forgery, forge, type Json } from "./forgeries.ts";

export interface IntruderOptions {
  readonly brokerUrl: string;
  readonly random: Random;
  /** Ids of the messages that were accepted so far. */
  readonly ids: () => readonly string[];
  readonly storm: number;
  readonly forged: number;
  readonly signal: AbortSignal;
}

export interface Intruder {
  /** How many packets reached the broker so far. */
  readonly counts: { storm: number; forged: number };
  /** Resolves when everything is sent, or when the signal is aborted. */
  readonly done: Promise<void>;
}

const EVERY_MS = 50;
/** Packets of one burst. A broker that is killed loses the packets in flight, and they are not counted. */
const BURST = 200;
const MOST_OVERHEARD = 100;
const FORGERIES_AT_ONCE = 4;

/** Starts immediately, and continues after each loss of its connection. */
export function sendIntruder(options: IntruderOptions): Intruder {
  const { random } = options;
  const link = createLink({ url: options.brokerUrl, name: "intruder", backoff: { baseMs: 100, capMs: 500 } });
  const counts = { storm: 0, forged: 0 };
  const envelopes: Json[] = [];
  const acks: Json[] = [];
  link.subscribe({ filter: `${TOPIC_ROOT}/#`, qos: 0 });
  link.subscribe({ filter: `${DEFAULT_ACK_PREFIX}/+`, qos: 0 });
  link.on("link.message", ({ topic, payload }) => {
    const json = parseObject(payload);
    if (typeof json === "string" || typeof json["signature"] !== "string") return;
    const kept = topic.startsWith(DEFAULT_ACK_PREFIX) ? acks : envelopes;
    if (kept.push(json) > MOST_OVERHEARD) kept.shift();
  });
  const done = (async () => {
    await link.connect();
    while (counts.storm < options.storm || counts.forged < options.forged) {
      if (!(await pause(EVERY_MS, options.signal))) break;
      if (link.info().state !== "CONNECTED") continue;
      const storm = Math.min(BURST, options.storm - counts.storm);
      for (let n = 0; n < storm; n++) publish(link, strangersAck(), () => counts.storm++);
      const ids = options.ids();
      if (ids.length === 0 || envelopes.length === 0 || counts.forged >= options.forged) continue;
      for (let n = 0; n < FORGERIES_AT_ONCE; n++) {
        const overheard = {
          envelope: pick(random, envelopes),
          ack: acks.length === 0 ? null : pick(random, acks),
          id: pick(random, ids.slice(-20)),
          elsewhere: `${TOPIC_ROOT}/forged`,
          ackPrefix: DEFAULT_ACK_PREFIX,
        };
        publish(link, forge(Math.floor(random() * 1_000), overheard), () => counts.forged++);
      }
    }
    await link.stop();
  })();
  return { counts, done };
}

function strangersAck(): Forgery {
  const payload = { client_id: "intruder", status: "processed", signature: "AAAA" };
  return { topic: `${DEFAULT_ACK_PREFIX}/${randomUUID()}`, payload };
}

function publish(link: Link, { topic, payload }: Forgery, reached: () => void): void {
  if (link.capacity() <= 0) return;
  link.publish({ topic, payload: JSON.stringify(payload), qos: 1, retain: false }, (outcome) => {
    if (outcome.kind === "acked") reached();
  });
}
