/**
 * One end of the raw round trip: mqtt.js alone, no database, nothing of ours. Started twice by `raw-round-trip.ts`.
 *
 *   publisher  keeps `window` messages un-answered; each is one PUBLISH of QoS 1 with a body of `payloadBytes`
 *   acker      answers each with one PUBLISH of QoS 1 on `delivery/ack/<id>`, `ackBytes` long
 *
 * Sockets have Nagle's algorithm off, as ours have: with it this measures timers (20-45 ms a round trip).
 */
import type { Socket } from "node:net";
import mqtt, { type MqttClient } from "mqtt";

export interface RawTask {
  readonly url: string;
  readonly role: "publisher" | "acker";
  readonly protocolVersion: 4 | 5;
  readonly topics: readonly string[];
  readonly payloadBytes: number;
  readonly ackBytes: number;
  readonly window: number;
  /** One write to the socket per turn of the event loop, instead of one per packet. */
  readonly cork: boolean;
}

export type RawOrder =
  | { readonly kind: "task"; readonly task: RawTask }
  | { readonly kind: "run"; readonly messages: number };
export type RawReport = { readonly kind: "ready" } | { readonly kind: "done"; readonly elapsedMs: number };

const ACK_PREFIX = "delivery/ack/";

async function connect(task: RawTask): Promise<MqttClient> {
  const client = await mqtt.connectAsync(task.url, {
    protocolVersion: task.protocolVersion,
    reconnectPeriod: 0,
    clean: true,
    ...(task.protocolVersion === 5 ? { properties: { receiveMaximum: 65_535 } } : {}),
  });
  const socket = client.stream as unknown as Socket;
  socket.setNoDelay(true);
  if (task.cork) corkPerTurn(socket);
  return client;
}

/** Packets of one turn leave in one system call. */
function corkPerTurn(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let corked = false;
  const uncork = (): void => {
    corked = false;
    socket.uncork();
  };
  socket.write = (...args: unknown[]): boolean => {
    if (!corked) {
      corked = true;
      socket.cork();
      setImmediate(uncork);
    }
    return write(...args);
  };
}

async function becomeAcker(task: RawTask): Promise<void> {
  const client = await connect(task);
  const filler = "x".repeat(Math.max(0, task.ackBytes));
  client.on("message", (_topic, payload) => {
    const id = payload.toString("latin1", 0, ID_LENGTH);
    client.publish(ACK_PREFIX + id, filler, { qos: 1 }, ignore);
  });
  await client.subscribeAsync(
    task.topics.map((topic) => topic),
    { qos: 1 },
  );
}

const ID_LENGTH = 36;

async function becomePublisher(task: RawTask): Promise<(messages: number) => Promise<number>> {
  const client = await connect(task);
  const filler = "x".repeat(Math.max(0, task.payloadBytes - ID_LENGTH));
  let onAck: () => void = ignore;
  client.on("message", () => onAck());
  await client.subscribeAsync(`${ACK_PREFIX}+`, { qos: 1 });
  let serial = 0;
  return (messages) =>
    new Promise((resolve) => {
      const startedAt = performance.now();
      let sent = 0;
      let acked = 0;
      const send = (): void => {
        const id = `${(serial++).toString().padStart(ID_LENGTH, "0")}`;
        client.publish(task.topics[sent % task.topics.length] ?? "", id + filler, { qos: 1 }, ignore);
        sent++;
      };
      onAck = () => {
        acked++;
        if (sent < messages) send();
        if (acked === messages) resolve(performance.now() - startedAt);
      };
      while (sent < Math.min(task.window, messages)) send();
    });
}

/** A lost connection ends the process: the parent notices. */
function ignore(error?: Error | null): void {
  if (error) throw error;
}

function report(message: RawReport): void {
  process.send?.(message);
}

let run: (messages: number) => Promise<number> = () => Promise.reject(new Error("only the publisher runs"));

process.on("message", (order: RawOrder) => {
  void obey(order);
});
process.once("disconnect", () => process.exit(0));

async function obey(order: RawOrder): Promise<void> {
  if (order.kind === "run") {
    report({ kind: "done", elapsedMs: await run(order.messages) });
    return;
  }
  if (order.task.role === "acker") await becomeAcker(order.task);
  else run = await becomePublisher(order.task);
  report({ kind: "ready" });
}
