/** The publisher as it ships, on a simulated outbox, link, clock and chance. */
import { readPublisherConfig } from "@acktor/publisher/config";
import type { Intake } from "@acktor/publisher/intake/intake";
import type { Changed, Outbox } from "@acktor/publisher/outbox/outbox";
import { OutboxIdentity } from "@acktor/publisher/outbox/outbox-identity";
import { Publisher } from "@acktor/publisher/publisher";
import type { DbResult } from "@acktor/shared/db/pool";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import type { Random } from "../seeded-random.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { SimOutbox } from "./sim-outbox.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

/** Smaller than what is sent at once, so that it matters. */
export const WINDOW = 8;
export const PUBLISH_DEADLINE_MS = 500;
const LEASE_MS = 5_000;

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
  const { time, random, link, logger } = parts;
  const clock = { now: () => time.now, wallClock: () => time.now };
  const publisher = new Publisher({
    ...{ link, logger, clock, config: settings(), outbox: outboxOf(parts), random: { next: random } },
    troubles: NO_TROUBLES,
    tracing: NO_TRACING,
    guard: new ListenerGuard({ logger, clock }),
    policy: null,
    identity: new OutboxIdentity(),
    schema: { isReady: true },
    failedMessages: { failed: () => undefined },
    settlements: { settled: () => undefined },
    deliveries: UNWATCHED,
    watch: { followDispatcher: () => undefined, followRole: () => undefined },
  });
  const over = new AbortController();
  for (const role of Object.values(publisher.roles())) void role.run(over.signal);
  void link.connect();
  return {
    intake: publisher.intake,
    unacked: () => publisher.dispatcher.unacked,
    stop() {
      over.abort();
      void link.stop();
    },
  };
}

/** Every wait is shorter than in life. */
function settings(): PublisherSettings {
  const read = readPublisherConfig({ DATABASE_URL: "postgres://simulated/acktor", MQTT_URL: "mqtt://simulated" });
  if (!read.ok) throw new Error(read.faults.join("\n"));
  return {
    ...read.config,
    ACKTOR_WINDOW: WINDOW,
    ACKTOR_DESTINATION_LEVELS: 0,
    ACKTOR_PUBLISH_DEADLINE: PUBLISH_DEADLINE_MS,
    ACKTOR_ACK_TIMEOUT_MIN: 200,
    ACKTOR_ACK_TIMEOUT_MAX: 2_000,
    ACKTOR_RETRY_BASE: 200,
    ACKTOR_RETRY_CAP: 1_000,
    ACKTOR_POLL: 200,
    ACKTOR_LEASE: LEASE_MS,
  };
}

/** The simulated outbox behind the publisher's port, each verb a statement of the simulated database. */
function outboxOf({ owner, database, outbox }: SimPublisherParts): Outbox {
  const run = <Row>(statement: () => readonly Row[]): Promise<DbResult<Row>> => database.run(owner, statement);
  const change = (work: () => void): Promise<Changed> => {
    return run<{ messageId: string }>(() => {
      work();
      return [];
    });
  };
  const value = async <T>(statement: () => T) => {
    const answer = await run(() => [statement()]);
    return answer.ok ? { ok: true as const, value: answer.rows[0] as T } : answer;
  };
  return {
    async insert(messages) {
      const answer = await run(() => outbox.insert(messages, owner.name, LEASE_MS));
      return answer.ok ? { ok: true, inserted: answer.rows } : answer;
    },
    claim: (limit) =>
      value(() => {
        const messages = outbox.claim(owner.name, limit, LEASE_MS);
        return { messages, more: messages.length === limit };
      }),
    supersede: async () => ({ ok: true, value: [] }),
    recordAttempts: (records) => run(() => outbox.markSent(records)),
    fail: (failures) => change(() => outbox.fail(failures)),
    release: (releases) => change(() => outbox.release(releases)),
    releaseAll: () => change(() => undefined),
    park: (destination, ids) => change(() => outbox.setParked(destination, ids)),
    async unpark(destination) {
      const answer = await change(() => outbox.setParked(destination, null));
      return answer.ok ? { ok: true, rows: [] } : answer;
    },
    settle: (acks) =>
      run(() => outbox.settle(acks).map(({ message }) => ({ messageId: message.messageId, late: false, ageMs: 0 }))),
    classify: (acks) => run(() => acks.map(({ messageId }) => ({ messageId, leftover: "duplicate" as const }))),
    reject: (rejections) => run(() => outbox.reject(rejections)),
    releaseParked: async () => ({ ok: true, value: { next: null, destinations: [] } }),
    freeReleased: async () => ({ ok: true, value: { freed: 0, more: false } }),
    resume: async () => ({ ok: true, value: { next: null, rows: 0 } }),
    expire: async () => ({ ok: true, value: { expired: 0, more: false } }),
    count: () => value(() => outbox.live()),
    oldestWaiting: async () => ({ ok: true, value: null }),
    parkedDestinations: async () => ({ ok: true, value: [] }),
    probe: () => value(() => ({ messages: outbox.probe(owner.name, LEASE_MS), forgotten: [] })),
    countReplicas: async () => ({ ok: true, value: 1 }),
    retain: async () => ({ ok: true, value: { lockedDays: [], more: false } }),
    sumUpTally: async () => ({ ok: true, value: { more: false } }),
  };
}
