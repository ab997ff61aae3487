/**
 * A link on the simulated broker: the real machine and the real gate of the breaker; only the transport is ours.
 *
 * What the transport of MQTT keeps to is kept to here: one outcome for each publish, a deadline for each, and the end of
 * the connection when a PUBLISH waits and no packet comes.
 */
import { classifyFailure, remedyFor } from "@acktor/shared/link/classify-failure";
import type { Link, LinkEvents, LinkInfo, OutgoingPublish, PublishOutcome } from "@acktor/shared/link/link";
import type { SessionEvent, SessionInput } from "@acktor/shared/link/link-context";
import { linkMachine } from "@acktor/shared/link/link-machine";
import { DEFAULT_BREAKER, DEFAULT_POLICY, type LinkPolicy } from "@acktor/shared/link/link-policy";
import { Listeners } from "@acktor/shared/link/listeners";
import { PublishGate } from "@acktor/shared/link/publish-gate";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import { createActor, fromCallback } from "xstate";
import type { Random } from "../seeded-random.ts";
import type { SimBroker, SimSession } from "./sim-broker.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

export interface SimLinkOptions {
  readonly time: VirtualTime;
  readonly broker: SimBroker;
  readonly owner: SimProcess;
  readonly random: Random;
  readonly publishDeadlineMs: number;
  /** Told of each PUBLISH that is written. */
  readonly onWritten: (message: OutgoingPublish) => void;
  /** More publishes than probes were admitted in HALF_OPEN. */
  readonly onBroken: (why: string) => void;
}

interface Waiting {
  readonly tag: number;
  readonly qos: 0 | 1 | 2;
  readonly sentAt: number;
  readonly onOutcome: (outcome: PublishOutcome) => void;
}

const LIMITS = {
  receiveMaximum: 65_535,
  maximumPacketSize: 268_435_460,
  maximumQos: 2,
  retainAvailable: true,
  sharedSubscriptions: true,
} as const;
const QUOTA = 2_000;
const POLICY: LinkPolicy = {
  ...DEFAULT_POLICY,
  backoff: { ...DEFAULT_POLICY.backoff, baseMs: 100, capMs: 1_000 },
  connectTimeoutMs: 1_000,
};

type OpenSession = (tell: (event: SessionEvent) => void) => () => void;

/** By the system of the machine's actor: one machine serves all links, because to make one takes milliseconds. */
const openers = new WeakMap<object, OpenSession>();

const MACHINE = linkMachine.provide({
  actors: {
    session: fromCallback<{ type: string }, SessionInput>(({ system, sendBack }) => openers.get(system)?.(sendBack)),
  },
});

export function createSimLink(options: SimLinkOptions): Link {
  const { time, broker, owner, random } = options;
  const listeners = new Listeners<LinkEvents>({
    listenerFailed: (error) => options.onBroken(`a listener threw: ${String(error)}`),
  });
  const filters = new Set<string>();
  const waiting = new Map<number, Waiting>();
  let session: SimSession | null = null;
  let ready = false;
  let next = 0;
  let heardAt = 0;
  let awaited = false;
  let halfOpenWritten = 0;

  const gate = new PublishGate(DEFAULT_BREAKER, {
    tripped: (by) => actor.send({ type: "breaker.tripped", by }),
    proved: () => actor.send({ type: "breaker.proved" }),
    relapsed: (by) => actor.send({ type: "breaker.relapsed", by }),
  });
  const openSession: OpenSession = (tell) => {
    const ended = (input: FailureInput): void => {
      tell({ type: "session.ended", failure: classifyFailure(input), remedy: remedyFor(input) });
    };
    heardAt = time.now;
    const own = broker.connect({
      owner,
      filters: () => [...filters],
      connected() {
        heardAt = time.now;
        ready = true;
        tell({ type: "session.connected", limits: LIMITS });
        checkWritable();
      },
      ended: () => ended({ kind: "closed", beforeConnack: false }),
      received(topic, payload) {
        heardAt = time.now;
        listeners.emit("link.message", { topic, payload, qos: 1, retain: false, userProperties: undefined });
      },
    });
    session = own;
    const watch = setInterval(() => watchDeadlines(ended), 250);
    return () => {
      clearInterval(watch);
      own.close();
      if (session === own) session = null;
      ready = false;
      settleAll();
    };
  };
  const actor = createActor(MACHINE, {
    input: {
      policy: POLICY,
      broker: "mqtt://simulated",
      clientId: owner.name,
      clock: { now: () => time.now, wallClock: () => time.now },
      random: { next: random },
    },
  });
  openers.set(actor.system, openSession);
  actor.on("*", (fact) => {
    if (fact.type === "link.transition" && fact.fact.region === "breaker") {
      halfOpenWritten = 0;
      gate.moved(actor.getSnapshot().context.at.breaker);
    }
    listeners.emit(fact.type, fact.fact as never);
    if (fact.type !== "link.transition") return;
    awaited = true;
    checkWritable();
  });
  actor.subscribe({ error: (error) => options.onBroken(`the link machine ended: ${String(error)}`) });
  actor.start();

  function watchDeadlines(ended: (input: FailureInput) => void): void {
    const late = [...waiting].filter(([, { sentAt }]) => time.now - sentAt >= options.publishDeadlineMs);
    for (const [id, entry] of late) settle(id, entry, { kind: "lost", why: "deadline" });
    if (late.length > 0 && time.now - heardAt >= options.publishDeadlineMs) {
      ended({ kind: "deadline", of: "silence", afterMs: time.now - heardAt });
    }
  }

  function settle(id: number, entry: Waiting, outcome: PublishOutcome): void {
    if (!waiting.delete(id)) return;
    gate.settled(entry.tag, entry.qos, outcome, entry.sentAt, time.now, false);
    listeners.guard("publish outcome", entry.onOutcome, outcome);
  }

  function settleAll(): void {
    for (const [id, entry] of [...waiting]) settle(id, entry, { kind: "lost", why: "disconnected" });
  }

  function checkWritable(): void {
    if (!awaited || capacity() === 0) return;
    awaited = false;
    listeners.emit("link.writable", {});
  }

  function capacity(): number {
    const free = ready ? Math.min(QUOTA - waiting.size, gate.admits()) : 0;
    if (free === 0) awaited = true;
    return free;
  }

  function publish(message: OutgoingPublish, onOutcome: (outcome: PublishOutcome) => void): void {
    const why = !ready || session === null ? "not_connected" : gate.admits() <= 0 ? "breaker_open" : null;
    if (why !== null || session === null) {
      awaited = true;
      onOutcome({ kind: "unsent", why: why ?? "not_connected" });
      return;
    }
    const id = next++;
    const entry: Waiting = { tag: gate.tag, qos: message.qos, sentAt: time.now, onOutcome };
    gate.take();
    const { breaker } = actor.getSnapshot().context.at;
    if (breaker === "HALF_OPEN" && ++halfOpenWritten > DEFAULT_BREAKER.probes * 2) {
      options.onBroken(`HALF_OPEN let ${halfOpenWritten} publishes pass`);
    }
    options.onWritten(message);
    waiting.set(id, entry);
    const payload = Buffer.isBuffer(message.payload) ? message.payload : Buffer.from(message.payload);
    session.publish(message.topic, payload, (reasonCode) => {
      heardAt = time.now;
      if (message.qos > 0) settle(id, entry, { kind: "acked", reasonCode });
      checkWritable();
    });
    if (message.qos === 0) queueMicrotask(() => settle(id, entry, { kind: "acked", reasonCode: 0 }));
  }

  const command = (type: "link.connect" | "link.disconnect" | "link.reset" | "breaker.open" | "breaker.close") => {
    actor.send({ type });
    return { ok: true } as const;
  };
  return {
    connect: async () => command("link.connect"),
    disconnect: async () => command("link.disconnect"),
    reset: () => command("link.reset"),
    openBreaker: () => command("breaker.open"),
    closeBreaker: () => command("breaker.close"),
    capacity,
    publish,
    subscribe: ({ filter }) => void filters.add(filter),
    unsubscribe: (filter) => void filters.delete(filter),
    on: (event, listener) => listeners.on(event, listener),
    info: () => info(),
    async stop() {
      actor.stop();
      listeners.clear();
    },
  };

  function info(): LinkInfo {
    const { at, attempt } = actor.getSnapshot().context;
    return {
      state: at.connection,
      breaker: at.breaker,
      broker: "mqtt://simulated",
      clientId: owner.name,
      protocolVersion: ready ? 5 : null,
      uptimeMs: null,
      connectedAt: null,
      disconnectedAt: null,
      lastActivityAt: null,
      lastError: null,
      retryCount: attempt,
      nextAttemptAt: null,
      inFlight: waiting.size,
      stats: NO_STATS,
      limits: ready ? LIMITS : null,
    };
  }
}

const NO_STATS: LinkInfo["stats"] = {
  connectionAttempts: 0,
  successfulConnections: 0,
  disconnections: 0,
  messagesSent: 0,
  messagesReceived: 0,
  breakerOpenings: 0,
  errorsByType: {},
};
