/** The texts of the fault lab for people, in English and Japanese. */
import { type Language, languageOf } from "@acktor/shared/texts/language";
import type { Outcome } from "../run/result.ts";
import type { Progress } from "../run/run-scenario.ts";

export interface ChaosTexts {
  readonly language: Language;
  readonly summary: string;
  readonly columns: Readonly<Record<Column, string>>;
  readonly outcomes: Readonly<Record<Outcome, string>>;
  readonly phases: Readonly<Record<Progress["phase"], string>>;
  readonly seconds: (value: string) => string;
  readonly never: string;
  readonly none: string;
  readonly passed: (passed: number, all: number) => string;
  readonly reasons: string;
  readonly faults: string;
  readonly hits: (count: number) => string;
  readonly reportWritten: (file: string) => string;
  readonly unknownScenario: (name: string, known: string) => string;
  readonly needsRoot: string;
  readonly left: (name: string, why: string) => string;
  readonly title: string;
  readonly state: string;
  readonly rates: string;
  readonly accepted: string;
  readonly acknowledged: string;
  readonly latency: string;
  readonly seed: string;
  /** Help of the subcommands. */
  readonly help: Readonly<Record<HelpText, string>>;
}

type HelpText =
  | "chaos"
  | "list"
  | "run"
  | "name"
  | "seed"
  | "messages"
  | "driver"
  | "report"
  | "junit"
  | "examples"
  | "notWhole";

export const COLUMNS = [
  "scenario",
  "duration",
  "sent",
  "acknowledged",
  "lost",
  "duplicates",
  "doubles",
  "errors",
  "reconnecting",
  "recover",
  "openings",
  "ratio",
  "state",
  "verdict",
] as const;

export type Column = (typeof COLUMNS)[number];

const english: ChaosTexts = {
  language: "en",
  title: "acktor: resilience test",
  summary: "Resilience test",
  columns: {
    scenario: "scenario",
    duration: "duration",
    sent: "sent",
    acknowledged: "acknowledged",
    lost: "lost",
    duplicates: "duplicated on the wire",
    doubles: "double effects",
    errors: "errors by type",
    reconnecting: "to RECONNECTING",
    recover: "to recover",
    openings: "breaker openings",
    ratio: "republished/published",
    state: "final state",
    verdict: "verdict",
  },
  outcomes: { passed: "passed", failed: "FAILED", "not injected": "NOT INJECTED", "not possible": "not possible" },
  phases: { starting: "starting", running: "running", draining: "draining", judging: "judging" },
  seconds: (value) => `${value} s`,
  never: "never",
  none: "-",
  passed: (passed, all) => `${passed} of ${all} scenarios passed`,
  reasons: "Why",
  faults: "faults",
  hits: (count) => `${count} hits`,
  reportWritten: (file) => `report: ${file}`,
  unknownScenario: (name, known) => `There is no scenario ${name}. Known scenarios: ${known}`,
  needsRoot: "The driver netns needs root and the programs unshare, nsenter, ip and iptables.",
  left: (name, why) => `${name} is left out: ${why}`,
  state: "state of the link",
  rates: "messages per second",
  accepted: "accepted",
  acknowledged: "acknowledged",
  latency: "latency to the ack, ms, by second of acceptance",
  seed: "seed",
  help: {
    chaos: "Injects faults and checks that no message is lost.",
    list: "Lists the scenarios; with --json also their schedules and limits.",
    run: "Starts a separate publisher and acker, and runs a scenario: traffic, faults, verdict.",
    name: "name of a scenario, or all",
    seed: "the same seed gives the same schedule",
    messages: "messages of each run (default: 100 a second)",
    notWhole: "A whole number is needed.",
    driver: "proxy, or netns: real packet loss (needs root)",
    report: "write an HTML report with a picture of each run",
    junit: "write JUnit XML",
    examples: "Examples:",
  },
};

const japanese: ChaosTexts = {
  language: "ja",
  title: "acktor: 耐障害性テスト",
  summary: "耐障害性テスト結果",
  columns: {
    scenario: "シナリオ",
    duration: "所要時間",
    sent: "送信数",
    acknowledged: "確認済み",
    lost: "損失",
    duplicates: "回線上の重複",
    doubles: "二重処理",
    errors: "エラー種別",
    reconnecting: "RECONNECTINGまで",
    recover: "復旧まで",
    openings: "ブレーカー作動",
    ratio: "再送/送信",
    state: "最終状態",
    verdict: "判定",
  },
  outcomes: { passed: "合格", failed: "不合格", "not injected": "障害未発生", "not possible": "実行不可" },
  phases: { starting: "起動中", running: "実行中", draining: "配信待ち", judging: "判定中" },
  seconds: (value) => `${value}秒`,
  never: "なし",
  none: "-",
  passed: (passed, all) => `${all} シナリオ中 ${passed} 合格`,
  reasons: "理由",
  faults: "障害",
  hits: (count) => `${count} 回`,
  reportWritten: (file) => `レポート: ${file}`,
  unknownScenario: (name, known) => `シナリオ ${name} はありません。使えるシナリオ: ${known}`,
  needsRoot: "netns ドライバーには、root 権限と unshare、nsenter、ip、iptables が必要です。",
  left: (name, why) => `${name} は実行しません: ${why}`,
  state: "接続の状態",
  rates: "件/秒",
  accepted: "受付",
  acknowledged: "確認済み",
  latency: "ack までの時間 (ミリ秒、受付の秒ごと)",
  seed: "シード",
  help: {
    chaos: "障害を発生させ、メッセージが失われないことを確認します。",
    list: "シナリオの一覧を表示します (--json では予定と上限も表示)。",
    run: "専用の publisher と acker を起動し、シナリオ (送信、障害、判定) を実行します。",
    name: "シナリオの名前、または all",
    seed: "同じシードなら同じ予定になります",
    messages: "各実行のメッセージ数 (省略時は毎秒 100 件)",
    notWhole: "整数を指定してください。",
    driver: "proxy または netns (実際のパケット損失、root 権限が必要)",
    report: "各実行の図を含む HTML レポートを書き出します",
    junit: "JUnit XML を書き出します",
    examples: "例:",
  },
};

/** @param asked the value of `--lang`; undefined: the environment decides */
export function chaosTexts(asked: string | undefined, env: Readonly<Record<string, string | undefined>>): ChaosTexts {
  return languageOf(asked, env) === "ja" ? japanese : english;
}
