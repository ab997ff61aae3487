import mqtt from "mqtt";
import type { BrokerLimits, ConnectionState, Link, LinkEvents, LinkInfo, OutgoingPublish, PublishOutcome, Subscription } from "./link.ts";

export interface LinkOptions {
  readonly url: string;
  readonly username?: string | null;
  readonly password?: string | null;
  readonly clientId: string;
  readonly version?: "auto" | "5" | "3.1.1";
  readonly keepaliveSeconds?: number;
  readonly connectTimeoutMs?: number;
  readonly publishDeadlineMs?: number;
  readonly will?: { topic: string; payload: string; qos: 0 | 1; retain: boolean };
}

/** Interim: the walking skeleton's link, replaced by the link machine. */
export function createLink(options: LinkOptions): Link {
  const listeners = new Map<string, Set<(fact: never) => void>>();
  const subscriptions = new Map<string, Subscription>();
  let state: ConnectionState = "DISCONNECTED";
  let client: mqtt.MqttClient | null = null;
  let version: 4 | 5 = options.version === "3.1.1" ? 4 : 5;
  let stopped = false;
  let timer: NodeJS.Timeout | null = null;
  const pending = new Set<(o: PublishOutcome) => void>();
  const emit = <K extends keyof LinkEvents>(name: K, fact: LinkEvents[K]): void => {
    for (const l of listeners.get(name) ?? []) (l as (f: LinkEvents[K]) => void)(fact);
  };
  const move = (to: ConnectionState): void => {
    const from = state;
    state = to;
    emit("link.transition", { region: "connection", from, to, event: "interim" });
  };
  const open = (): void => {
    if (stopped) return;
    move("CONNECTING");
    const c = mqtt.connect(options.url, {
      reconnectPeriod: 0, protocolVersion: version, clean: true, clientId: options.clientId, keepalive: options.keepaliveSeconds ?? 5,
      ...(options.username ? { username: options.username } : {}), ...(options.password ? { password: options.password } : {}),
      ...(options.will ? { will: { ...options.will, payload: Buffer.from(options.will.payload) } } : {}),
    });
    client = c;
    c.on("error", (e) => { if (String(e).includes("rotocol")) version = 4; c.end(true); });
    c.on("connect", () => {
      const wanted = Object.fromEntries([...subscriptions.values()].map((s) => [s.filter, { qos: s.qos }]));
      const done = (): void => { move("CONNECTED"); emit("link.connected", { protocolVersion: version, broker: options.url, clientId: options.clientId }); emit("link.writable", {}); };
      if (Object.keys(wanted).length > 0) c.subscribe(wanted, done); else done();
    });
    c.on("message", (topic, payload, p) => emit("link.message", { topic, payload, qos: p.qos, retain: p.retain, userProperties: undefined }));
    c.on("close", () => {
      if (client !== c) return;
      client = null;
      for (const p of [...pending]) p({ kind: "lost", why: "disconnected" });
      if (stopped) { move("DISCONNECTED"); return; }
      move("RECONNECTING");
      timer = setTimeout(open, 500);
    });
  };
  const limits: BrokerLimits = { receiveMaximum: 2000, maximumPacketSize: 268435455, maximumQos: 2, retainAvailable: true, sharedSubscriptions: true };
  return {
    async connect() { if (state === "DISCONNECTED") open(); return { ok: true }; },
    async disconnect() { client?.end(true); return { ok: true }; },
    reset: () => ({ ok: true }), openBreaker: () => ({ ok: true }), closeBreaker: () => ({ ok: true }),
    capacity: () => (state === "CONNECTED" ? 2000 - pending.size : 0),
    publish(m: OutgoingPublish, onOutcome) {
      if (state !== "CONNECTED" || client === null) { onOutcome({ kind: "unsent", why: "not_connected" }); return; }
      const end = (o: PublishOutcome): void => { if (pending.delete(end)) onOutcome(o); };
      pending.add(end);
      client.publish(m.topic, m.payload, { qos: m.qos, retain: m.retain }, (err, p) => {
        end(err ? { kind: "lost", why: "disconnected" } : { kind: "acked", reasonCode: (p as { reasonCode?: number } | undefined)?.reasonCode ?? 0 });
      });
    },
    subscribe(s) { subscriptions.set(s.filter, s); if (state === "CONNECTED") client?.subscribe(s.filter, { qos: s.qos }); },
    unsubscribe(f) { subscriptions.delete(f); if (state === "CONNECTED") client?.unsubscribe(f); },
    on(event, listener) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set);
      set.add(listener as (fact: never) => void);
      return () => set.delete(listener as (fact: never) => void);
    },
    info(): LinkInfo {
      return { state, breaker: "CLOSED", broker: options.url, clientId: options.clientId, protocolVersion: version, uptimeMs: null, connectedAt: null, disconnectedAt: null, lastActivityAt: null, lastError: null, retryCount: 0, nextAttemptAt: null, inFlight: pending.size, stats: { connectionAttempts: 0, successfulConnections: 0, disconnections: 0, messagesSent: 0, messagesReceived: 0, breakerOpenings: 0, errorsByType: {} }, limits };
    },
    async stop() { stopped = true; if (timer) clearTimeout(timer); const c = client; if (c) await c.endAsync(true).catch(() => undefined); },
  };
}
