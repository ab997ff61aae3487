/**
 * The yardstick: a QoS 1 round trip by mqtt.js alone, without a database. Two processes, the same broker, body sizes and
 * window as end to end; each message is one PUBLISH, each answer one PUBLISH on `delivery/ack/<id>`.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { BrokerPlan } from "./broker.ts";
import { type Child, environment, startChild } from "./child.ts";
import { type CpuCost, meterCpu } from "./process-meter.ts";
import type { RawOrder, RawReport, RawTask } from "./raw-peer.ts";
import { scoped } from "./scope.ts";

export interface RawResult {
  readonly corked: boolean;
  readonly messagesPerSecond: number;
  readonly elapsedMs: number;
  readonly cpu: CpuCost | null;
}

export interface RawOptions {
  readonly directory: string;
  readonly broker: BrokerPlan;
  readonly brokerPid: number;
  readonly messages: number;
  readonly warmup: number;
  readonly task: Omit<RawTask, "url" | "role" | "protocolVersion">;
}

const PEER = path.join(path.dirname(fileURLToPath(import.meta.url)), "raw-peer.ts");
const LIMIT_MS = 120_000;

export function measureRaw(options: RawOptions): Promise<RawResult> {
  const { directory, broker, brokerPid, messages, warmup } = options;
  return scoped(async (scope) => {
    const start = (role: RawTask["role"]): Child => {
      const args = ["--import", "tsx", "--conditions=source", PEER];
      const logFile = path.join(directory, `raw-${role}.log`);
      return startChild(scope, { file: process.execPath, args, env: environment(), logFile, ipc: true });
    };
    const [acker, publisher] = [start("acker"), start("publisher")];
    const common = { ...options.task, url: broker.url, protocolVersion: broker.protocolVersion };
    await ask(acker, { kind: "task", task: { ...common, role: "acker" } });
    await ask(publisher, { kind: "task", task: { ...common, role: "publisher" } });
    await ask(publisher, { kind: "run", messages: warmup });
    const roots = { publisher: publisher.pid, acker: acker.pid, broker: brokerPid };
    const cost = meterCpu(roots);
    const done = await ask(publisher, { kind: "run", messages });
    const cpu = cost(messages);
    if (done.kind !== "done") throw new Error(`the raw publisher answered ${done.kind}`);
    const { elapsedMs } = done;
    return {
      corked: options.task.cork,
      elapsedMs,
      messagesPerSecond: (messages / elapsedMs) * 1_000,
      cpu,
    };
  });
}

/** Sends an order and resolves with the report on it; throws when the peer ends, or is silent for two minutes. */
function ask(child: Child, order: RawOrder): Promise<RawReport> {
  const { process: peer } = child;
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`a raw peer ${why}\n${child.tail()}`));
    const timer = setTimeout(() => fail("does not answer"), LIMIT_MS);
    const onExit = (): void => fail("ended");
    peer.once("exit", onExit);
    peer.once("message", (report: RawReport) => {
      clearTimeout(timer);
      peer.off("exit", onExit);
      resolve(report);
    });
    peer.send(order);
  });
}
