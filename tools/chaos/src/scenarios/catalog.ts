/** All scenarios. The first four are those of the tutorial, with its durations. */
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import {
  type Fault,
  type LineName,
  type MqttLineName,
  type Scenario,
  type ScheduledFault,
  TOPIC_ROOT,
  type UnitName,
} from "./scenario.ts";

const MQTT: readonly MqttLineName[] = ["publisher.mqtt", "acker.mqtt"];
const DATABASE: readonly LineName[] = ["publisher.db", "acker.db"];

/** Faults start after this period without faults. */
const CALM_MS = 2_000;
const HOUR_MS = 3_600_000;
/** I9. */
const RECOVERY = { recoverMs: 10_000 };
/** In ERROR the link sends single probes after 30 to 60 s; then the acker's birth and the retries follow. */
const LONG_RECOVERY = { recoverMs: 70_000 };

const during = (forMs: number, ...faults: Fault[]): ScheduledFault[] => {
  return faults.map((fault) => ({ atMs: CALM_MS, forMs, fault }));
};
/** The fault is off and on, each for `eachMs`, for `totalMs`. */
const alternating = (eachMs: number, totalMs: number, fault: Fault): ScheduledFault[] => {
  const times = Math.floor(totalMs / (2 * eachMs));
  return Array.from({ length: times }, (_, n) => ({ atMs: CALM_MS + 2 * n * eachMs, forMs: eachMs, fault }));
};
const downOf = (unit: UnitName, how: "kill" | "stop" | "freeze"): Fault => ({ do: how, unit });

const SILENT = `${TOPIC_ROOT}/d9`;

/** One scenario for each code: after a refusal the link waits up to 8 s, so a second code in the same run may refuse no client. */
const REFUSALS = [
  { name: "unavailable", code: 0x88, en: "unavailable", ja: "利用不可" },
  { name: "busy", code: 0x89, en: "busy", ja: "過負荷" },
  { name: "quota", code: 0x97, en: "quota exceeded", ja: "割り当て超過" },
] as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "cut",
    title: { en: "line cut for 5 s", ja: "回線の切断 5 秒" },
    faults: during(5_000, { do: "cut", lines: MQTT, how: "silent" }),
    shiftMs: 500,
    limits: { ...RECOVERY, reconnectingMs: 3_000 },
  },
  {
    name: "on-off",
    title: { en: "line off and on each second for 10 s", ja: "1 秒ごとの断続 10 秒" },
    faults: alternating(1_000, 10_000, { do: "cut", lines: MQTT, how: "refuse" }),
    shiftMs: 0,
    limits: { ...RECOVERY, breakerOpenings: 3, publishRatio: 1.3 },
  },
  {
    name: "delay",
    title: { en: "round trips 500 ms longer for 8 s", ja: "遅延 +500 ms 8 秒" },
    faults: during(8_000, { do: "line", lines: MQTT, quality: { delayMs: 225, jitterMs: 50 } }),
    shiftMs: 500,
    limits: { ...RECOVERY, breakerOpenings: 0, publishRatio: 1.05, staysConnected: true },
  },
  {
    name: "loss",
    title: { en: "30 % of packets lost for 6 s", ja: "パケット損失 30 % 6 秒" },
    faults: during(6_000, { do: "line", lines: MQTT, quality: { lossRatio: 0.3 } }),
    shiftMs: 500,
    limits: RECOVERY,
  },
  {
    name: "broker-restart",
    title: { en: "broker stopped for 3 s", ja: "ブローカーの再起動 3 秒" },
    faults: during(3_000, downOf("broker", "stop")),
    shiftMs: 500,
    limits: { ...RECOVERY, reconnectingMs: 1_000 },
  },
  {
    name: "broker-killed",
    title: { en: "broker killed, its sessions lost", ja: "ブローカーの強制終了 (セッション消失)" },
    faults: during(1_000, downOf("broker", "kill")),
    shiftMs: 500,
    limits: { ...RECOVERY, reconnectingMs: 1_000 },
  },
  {
    name: "acks-lost",
    title: { en: "only acks lost for 5 s", ja: "ACK だけの損失 5 秒" },
    faults: during(5_000, {
      do: "packets",
      lines: ["acker.mqtt"],
      faults: [{ packet: "publish", direction: "to_server", topicUnder: DEFAULT_ACK_PREFIX, fate: "lose" }],
    }),
    shiftMs: 500,
    limits: { ...RECOVERY, breakerOpenings: 0, staysConnected: true },
  },
  {
    name: "acker-away",
    title: { en: "acker stopped for 60 s", ja: "acker の停止 60 秒" },
    faults: during(60_000, downOf("acker", "stop")),
    shiftMs: 500,
    limits: { ...RECOVERY, breakerOpenings: 0, staysConnected: true },
  },
  {
    name: "half-open",
    title: { en: "half-open MQTT connections", ja: "半開きの MQTT 接続" },
    faults: during(2_000, { do: "half-open", lines: MQTT }),
    shiftMs: 500,
    limits: { ...RECOVERY, reconnectingMs: 3_000 },
  },
  {
    name: "half-open-postgres",
    title: { en: "half-open PostgreSQL connections", ja: "半開きの PostgreSQL 接続" },
    faults: during(4_000, { do: "half-open", lines: DATABASE }),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.8 },
  },
  {
    name: "postgres-cut",
    title: { en: "lines to PostgreSQL cut for 4 s", ja: "PostgreSQL 回線の切断 4 秒" },
    faults: during(4_000, { do: "cut", lines: DATABASE, how: "silent" }),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.8 },
  },
  {
    name: "postgres-loss",
    title: { en: "30 % of packets to PostgreSQL lost for 6 s", ja: "PostgreSQL 回線のパケット損失 30 % 6 秒" },
    faults: during(6_000, { do: "line", lines: DATABASE, quality: { lossRatio: 0.3 } }),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.8 },
  },
  {
    name: "nats-cut",
    title: { en: "lines to NATS cut for 5 s", ja: "NATS 回線の切断 5 秒" },
    faults: during(5_000, { do: "cut", lines: ["nats"], how: "silent" }),
    shiftMs: 500,
    limits: { ...RECOVERY, breakerOpenings: 0, staysConnected: true, unansweredRatio: 0 },
    needs: "nats",
  },
  {
    name: "half-open-nats",
    title: { en: "half-open NATS connections", ja: "半開きの NATS 接続" },
    faults: during(5_000, { do: "half-open", lines: ["nats"] }),
    shiftMs: 500,
    limits: { ...RECOVERY, breakerOpenings: 0, staysConnected: true, unansweredRatio: 0 },
    needs: "nats",
  },
  {
    name: "one-way",
    title: { en: "nothing reaches the publisher for 4 s", ja: "片方向の切断 4 秒" },
    faults: during(4_000, { do: "one-way", lines: ["publisher.mqtt"], blocked: "to_client" }),
    shiftMs: 500,
    limits: { ...RECOVERY, reconnectingMs: 3_000 },
  },
  {
    name: "rst-storm",
    title: { en: "TCP resets, four a second for 5 s", ja: "TCP リセットの連続 5 秒" },
    faults: during(5_000, { do: "reset", lines: MQTT, everyMs: 250 }),
    shiftMs: 500,
    limits: RECOVERY,
  },
  {
    name: "slow-broker",
    title: { en: "40 KB/s to and from the broker for 8 s", ja: "低速なブローカー 8 秒" },
    faults: during(8_000, { do: "line", lines: MQTT, quality: { bytesPerSecond: 40_000 } }),
    shiftMs: 500,
    limits: RECOVERY,
  },
  {
    name: "mangled",
    title: { en: "packets doubled, swapped and altered for 6 s", ja: "重複・順序入れ替え・破損 6 秒" },
    faults: during(6_000, {
      do: "packets",
      lines: MQTT,
      faults: [
        { packet: "publish", ratio: 0.01, fate: "corrupt" },
        { packet: "publish", ratio: 0.1, fate: "double" },
        { packet: "publish", ratio: 0.1, fate: "swap" },
      ],
    }),
    shiftMs: 500,
    limits: RECOVERY,
  },
  {
    name: "postgres-paused",
    title: { en: "PostgreSQL frozen for 5 s", ja: "PostgreSQL の一時停止 5 秒" },
    faults: during(5_000, downOf("postgres", "freeze")),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.8 },
  },
  {
    name: "postgres-killed",
    title: { en: "PostgreSQL killed for 2 s", ja: "PostgreSQL の強制終了 2 秒" },
    faults: during(2_000, downOf("postgres", "kill")),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.8 },
  },
  {
    name: "postgres-disk-full",
    title: { en: "PostgreSQL's disk full for 5 s", ja: "PostgreSQL のディスク満杯 5 秒" },
    faults: during(5_000, { do: "fill-disk" }),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.8 },
    needs: "disk",
  },
  {
    name: "postgres-backends",
    title: { en: "PostgreSQL backends ended, four a second for 5 s", ja: "PostgreSQL バックエンドの強制終了 5 秒" },
    faults: during(5_000, { do: "end-backends", everyMs: 250 }),
    shiftMs: 500,
    limits: { ...RECOVERY, staysConnected: true },
  },
  {
    name: "take-over",
    title: { en: "the publisher's client id taken over", ja: "クライアントIDの乗っ取り" },
    faults: during(1_000, { do: "take-over", line: "publisher.mqtt" }),
    shiftMs: 500,
    limits: LONG_RECOVERY,
  },
  ...REFUSALS.map(({ name, code, en, ja }): Scenario => {
    return {
      name: `refused-${name}`,
      title: { en: `broker refuses for 2 s: ${en}`, ja: `ブローカーの拒否 2 秒: ${ja}` },
      faults: during(2_000, { do: "refuse", lines: MQTT, code }),
      shiftMs: 500,
      limits: RECOVERY,
    };
  }),
  {
    name: "refused-credentials",
    title: { en: "broker refuses the credentials for 2 s", ja: "認証の拒否 2 秒" },
    faults: during(2_000, { do: "refuse", lines: ["publisher.mqtt"], code: 0x86 }),
    shiftMs: 500,
    limits: LONG_RECOVERY,
  },
  {
    name: "clock-jump",
    title: { en: "wall clocks an hour ahead and behind for 6 s", ja: "時計の ±1 時間のずれ 6 秒" },
    faults: during(
      6_000,
      { do: "set-clock", unit: "publisher", offsetMs: HOUR_MS },
      { do: "set-clock", unit: "acker", offsetMs: -HOUR_MS },
    ),
    shiftMs: 500,
    limits: { ...RECOVERY, breakerOpenings: 0, publishRatio: 1.05, staysConnected: true, unansweredRatio: 0 },
  },
  {
    name: "publisher-killed",
    title: { en: "publisher killed", ja: "publisher の強制終了" },
    faults: during(1_000, downOf("publisher", "kill")),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.8 },
  },
  {
    name: "publisher-frozen",
    title: { en: "publisher frozen for 8 s", ja: "publisher の一時停止 8 秒" },
    faults: during(8_000, downOf("publisher", "freeze")),
    shiftMs: 500,
    limits: { ...RECOVERY, unansweredRatio: 0.9 },
  },
  {
    name: "acker-killed",
    title: { en: "acker killed", ja: "acker の強制終了" },
    faults: during(1_000, downOf("acker", "kill")),
    shiftMs: 500,
    limits: { ...RECOVERY, staysConnected: true },
  },
  {
    name: "acker-frozen",
    title: { en: "acker frozen for 8 s", ja: "acker の一時停止 8 秒" },
    faults: during(8_000, downOf("acker", "freeze")),
    shiftMs: 500,
    limits: { ...RECOVERY, staysConnected: true },
  },
  {
    name: "silent-destination",
    title: { en: "one of ten destinations silent for 10 s", ja: "10 宛先のうち 1 つが無応答 10 秒" },
    faults: during(10_000, {
      do: "packets",
      lines: ["acker.mqtt"],
      faults: [{ packet: "publish", direction: "to_client", topic: SILENT, fate: "lose" }],
    }),
    shiftMs: 500,
    limits: { ...RECOVERY, breakerOpenings: 0, staysConnected: true, othersP99Ms: 1_000 },
    silenced: SILENT,
  },
  {
    name: "two-at-once",
    title: {
      en: "broker killed while PostgreSQL loses backends",
      ja: "2 つの障害の同時発生 (ブローカーと PostgreSQL)",
    },
    faults: during(3_000, downOf("broker", "kill"), { do: "end-backends", everyMs: 250 }),
    shiftMs: 500,
    limits: RECOVERY,
  },
];

export function findScenario(name: string): Scenario | null {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? null;
}
