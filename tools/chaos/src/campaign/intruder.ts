/** A stranger at the broker: acks for messages that nobody sent, and forged ones for messages that somebody did. */
import { randomUUID } from "node:crypto";
import { createLink } from "@acktor/shared/link/create-link";
import type { Link } from "@acktor/shared/link/link";
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import { pause } from "@acktor/shared/runtime/pause";
import { pick, type Random } from "../seeded-random.ts";

export interface IntruderOptions {
  readonly brokerUrl: string;
  readonly random: Random;
  /** Ids that were accepted so far. */
  readonly ids: () => readonly string[];
  readonly storm: number;
  readonly forged: number;
  readonly signal: AbortSignal;
}

export interface Intruder {
  /** What reached the broker so far. */
  readonly counts: { storm: number; forged: number };
  /** Resolves when everything was sent, or at the signal. */
  readonly done: Promise<void>;
}

const EVERY_MS = 50;
/** In one go; the broker is killed now and then, and what was under way counts for nothing. */
const BURST = 200;

/** Begins at once; goes on after each loss of its connection. */
export function sendIntruder(options: IntruderOptions): Intruder {
  const link = createLink({ url: options.brokerUrl, name: "intruder", backoff: { baseMs: 100, capMs: 500 } });
  const counts = { storm: 0, forged: 0 };
  const done = (async () => {
    await link.connect();
    while (counts.storm < options.storm || counts.forged < options.forged) {
      if (!(await pause(EVERY_MS, options.signal))) break;
      if (link.info().state !== "CONNECTED") continue;
      const storm = Math.min(BURST, options.storm - counts.storm);
      for (let n = 0; n < storm; n++) publishAck(link, randomUUID(), () => counts.storm++);
      const ids = options.ids();
      if (ids.length === 0 || counts.forged >= options.forged) continue;
      for (let n = 0; n < 4; n++) publishAck(link, pick(options.random, ids.slice(-20)), () => counts.forged++);
    }
    await link.stop();
  })();
  return { counts, done };
}

function publishAck(link: Link, id: string, reached: () => void): void {
  if (link.capacity() <= 0) return;
  const payload = JSON.stringify({ client_id: "intruder", status: "processed", signature: "AAAA" });
  link.publish({ topic: `${DEFAULT_ACK_PREFIX}/${id}`, payload, qos: 1, retain: false }, (outcome) => {
    if (outcome.kind === "acked") reached();
  });
}
