/** The publisher's own parts on simulated verbs, wired as `publisher.ts` wires them. */
import { DispatchRole } from "@acktor/publisher/dispatch/dispatch-role";
import { EnvelopeSeal } from "@acktor/publisher/dispatch/envelope-seal";
import { OutboxWriter } from "@acktor/publisher/dispatch/outbox-writer";
import { retryDelayMs } from "@acktor/publisher/dispatch/retry-delay";
import { Intake } from "@acktor/publisher/intake/intake";
import { OutboxIdentity } from "@acktor/publisher/outbox/outbox-identity";
import { AckAuthenticator } from "@acktor/publisher/settle/authenticate-acks";
import { Settler } from "@acktor/publisher/settle/settler";
import type { DbResult } from "@acktor/shared/db/pool";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { Random } from "../seeded-random.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { SimOutbox } from "./sim-outbox.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

/** Smaller than what is sent at once, so that it matters. */
export const WINDOW = 8;
export const PUBLISH_DEADLINE_MS = 500;
const LEASE_MS = 5_000;
const RETRY = { baseMs: 200, capMs: 1_000 };
const POLL_MS = 200;
const PROBE_MS = 500;

export interface SimPublisher {
  readonly intake: Intake;
  unacked(): number;
  stop(): void;
}

export interface SimPublisherParts {
  readonly time: VirtualTime;
  readonly owner: SimProcess;
  readonly random: Random;
  readonly link: Link;
  readonly database: SimDatabase;
  readonly outbox: SimOutbox;
  readonly logger: Logger;
}

export function startSimPublisher(parts: SimPublisherParts): SimPublisher {
  const { time, owner, random, link, database, outbox, logger } = parts;
  const now = (): number => time.now;
  const run = <Row>(statement: () => readonly Row[]): Promise<DbResult<Row>> => database.run(owner, statement);
  const nothing = (work: () => void): Promise<DbResult<never>> => {
    return run<never>(() => {
      work();
      return [];
    });
  };
  const identity = new OutboxIdentity();
  const writer = new OutboxWriter(
    {
      markSent: (records) => run(() => outbox.markSent(records)),
      failMessages: (rows) => nothing(() => outbox.fail(rows)),
      releaseLeases: (rows) => nothing(() => outbox.release(rows)),
      park: (destination, ids) => nothing(() => outbox.setParked(destination, ids)),
      unpark: (destination) => nothing(() => outbox.setParked(destination, null)),
    },
    logger,
    (entries, fenced) => dispatch.dispatcher.recorded(entries, fenced),
  );
  const dispatch: DispatchRole = new DispatchRole({
    link,
    now,
    random,
    sink: {
      recordAttempts: (records, entries) => writer.recordAttempts(records, entries),
      brokerAcked: (entry) => settler.brokerAcked(entry),
      fail: (message, reason) => writer.fail(message, reason),
      release: (messages, dueInMs) => writer.release(messages, dueInMs),
      park: (destination, messages) => writer.park(destination, messages),
      answered: (destination, wasParked) => {
        if (wasParked) writer.unpark(destination);
      },
    },
    ackPrefix: DEFAULT_ACK_PREFIX,
    seal: new EnvelopeSeal(null, identity),
    window: WINDOW,
    destinationLevels: 0,
    publishDeadlineMs: PUBLISH_DEADLINE_MS,
    ackTimeout: { minMs: 200, maxMs: 2_000 },
    retry: RETRY,
    pollMs: POLL_MS,
    leaseMs: LEASE_MS,
    instance: owner.name,
    async claim({ limit, leaseMs, instance }) {
      const answer = await run(() => outbox.claim(instance, limit, leaseMs));
      if (!answer.ok) return answer;
      const horizon = { at: "", xmin: "0", xmax: "0" };
      return { ok: true, value: { messages: answer.rows, nextLaneCursor: "", oldestDue: null, parked: 0, horizon } };
    },
    supersede: async () => ({ ok: true, value: { messageIds: [], next: null } }),
    deliveries: UNWATCHED,
  });
  const settler = new Settler({
    verbs: {
      settleAcks: (acks) =>
        run(() => outbox.settle(acks).map(({ message }) => ({ messageId: message.messageId, late: false, ageMs: 0 }))),
      classifyAcks: (acks) => run(() => acks.map(({ messageId }) => ({ messageId, leftover: "duplicate" as const }))),
      rejectMessages: (rejections) => run(() => outbox.reject(rejections)),
    },
    logger,
    now,
    ackPrefix: DEFAULT_ACK_PREFIX,
    authenticator: new AckAuthenticator(null, identity, now),
    inFlight: (id) => dispatch.dispatcher.inFlight(id),
    onAnswer: (entry) => dispatch.dispatcher.answered(entry),
    retryInMs: (retries) => retryDelayMs(RETRY, 0, retries, random),
    onSettled: () => undefined,
    onLaneFreed: () => dispatch.wake(),
  });
  const intake = new Intake({
    clock: { now },
    leaseMs: LEASE_MS,
    outbox: {
      async insert(messages) {
        const answer = await run(() => outbox.insert(messages, owner.name, LEASE_MS));
        return answer.ok ? { ok: true, inserted: answer.rows } : answer;
      },
    },
    places: dispatch.dispatcher,
    doorbell: { ring: () => dispatch.wake() },
    schema: { isReady: true },
    level: { isFull: () => false },
    troubles: { gaveUp: () => undefined },
    logger,
  });
  link.subscribe({ filter: `${DEFAULT_ACK_PREFIX}/+`, qos: 1 });
  link.on("link.message", (message) => settler.receive(message));
  const over = new AbortController();
  void dispatch.run(over.signal);
  // The janitor's probe: one message of each parked destination.
  const probing = setInterval(async () => {
    if (!dispatch.open) return;
    const answer = await run(() => outbox.probe(owner.name, LEASE_MS));
    if (answer.ok) dispatch.dispatcher.offer(answer.rows, time.now + LEASE_MS, true);
  }, PROBE_MS);
  void link.connect();
  return {
    intake,
    unacked: () => dispatch.dispatcher.unacked,
    stop() {
      clearInterval(probing);
      over.abort();
      void link.stop();
    },
  };
}
