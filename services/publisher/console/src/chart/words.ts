/** The words of charts in addition to the names from the code. */
export interface ChartWords {
  readonly active: string;
  readonly initial: string;
  readonly final: string;
  readonly justTaken: string;
  readonly anyState: string;
  /** A transition that runs actions and stays. */
  readonly stays: string;
  readonly transitions: string;
  readonly notRunning: string;
  /** Remaining seconds of a delay. */
  readonly remaining: (delay: string, seconds: string) => string;
  /** The text alternative of the picture. */
  readonly chartOf: (machine: string, active: string) => string;
  readonly instances: (count: number) => string;
}

export const ENGLISH: ChartWords = {
  active: "active",
  initial: "entered first",
  final: "final",
  justTaken: "just taken",
  anyState: "any state",
  stays: "stays",
  transitions: "transitions",
  notRunning: "not running",
  remaining: (delay, seconds) => `${delay}: ${seconds} s left`,
  chartOf: (machine, active) => `Statechart of ${machine}; active: ${active}`,
  instances: (count) => (count === 1 ? "1 instance" : `${count} instances`),
};

export const JAPANESE: ChartWords = {
  active: "アクティブ",
  initial: "最初に入る状態",
  final: "終了状態",
  justTaken: "直前の遷移",
  anyState: "任意の状態",
  stays: "状態は変わらない",
  transitions: "遷移",
  notRunning: "停止中",
  remaining: (delay, seconds) => `${delay}: 残り ${seconds} 秒`,
  chartOf: (machine, active) => `${machine} の状態遷移図。アクティブ: ${active}`,
  instances: (count) => `${count} インスタンス`,
};
