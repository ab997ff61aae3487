/** A service's status in words: for `acktor status` and the demonstration. */
import type { Language } from "./language.ts";

export interface StatusWords {
  readonly item: string;
  readonly value: string;
  readonly state: string;
  readonly breaker: string;
  readonly broker: string;
  readonly clientId: string;
  readonly uptime: string;
  readonly retries: string;
  readonly buffer: string;
  readonly lastError: string;
  readonly connection: string;
  readonly statistics: string;
  readonly attempts: string;
  readonly successes: string;
  readonly disconnections: string;
  readonly sent: string;
  readonly received: string;
  readonly errors: string;
  readonly errorType: string;
  readonly count: string;
  readonly delivery: string;
  readonly meanRetries: string;
  readonly total: string;
  readonly successRate: string;
  readonly pending: string;
}

export const STATUS_WORDS: Readonly<Record<Language, StatusWords>> = {
  en: {
    item: "Item",
    value: "Value",
    state: "State",
    breaker: "Circuit breaker",
    broker: "Broker",
    clientId: "Client id",
    uptime: "Uptime",
    retries: "Retries",
    buffer: "Buffer size",
    lastError: "Last error",
    connection: "Connection",
    statistics: "Statistics",
    attempts: "Connection attempts",
    successes: "Successful connections",
    disconnections: "Disconnections",
    sent: "Messages sent",
    received: "Messages received",
    errors: "Errors",
    errorType: "Error type",
    count: "Count",
    delivery: "Message delivery",
    meanRetries: "Mean retries",
    total: "Total messages",
    successRate: "Success rate",
    pending: "Waiting",
  },
  ja: {
    item: "項目",
    value: "値",
    state: "状態",
    breaker: "サーキットブレーカー",
    broker: "ブローカー",
    clientId: "クライアントID",
    uptime: "稼働時間",
    retries: "再試行回数",
    buffer: "バッファーサイズ",
    lastError: "最後のエラー",
    connection: "接続情報",
    statistics: "統計情報",
    attempts: "接続試行回数",
    successes: "成功接続回数",
    disconnections: "切断回数",
    sent: "送信メッセージ数",
    received: "受信メッセージ数",
    errors: "エラー",
    errorType: "エラータイプ",
    count: "件数",
    delivery: "メッセージ配信",
    meanRetries: "平均再送回数",
    total: "総メッセージ数",
    successRate: "成功率",
    pending: "待機中",
  },
};
