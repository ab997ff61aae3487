/** What the demonstration says, in English and in Japanese. */
import { languageOf } from "@acktor/shared/texts/language";

export interface DemoTexts {
  readonly title: string;
  readonly starting: string;
  readonly sendCalm: (count: number) => string;
  readonly brokerAway: string;
  readonly stillAccepted: (count: number) => string;
  readonly brokerBack: string;
  readonly ackerAway: string;
  readonly nobodyThere: (count: number) => string;
  readonly ackerLate: string;
  readonly allAcknowledged: (seconds: string) => string;
  readonly checking: string;
  readonly passed: string;
  readonly failed: string;
  readonly kept: (folder: string) => string;
  readonly item: string;
  readonly value: string;
  readonly connection: string;
  readonly state: string;
  readonly broker: string;
  readonly clientId: string;
  readonly uptime: string;
  readonly seconds: (value: string) => string;
  readonly retries: string;
  readonly breaker: string;
  readonly buffer: string;
  readonly lastError: string;
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
  readonly checks: string;
  readonly check: string;
  readonly result: string;
  readonly found: string;
  readonly checkAccepted: string;
  readonly checkAcknowledged: string;
  readonly checkInbox: string;
  readonly checkContent: string;
  readonly checkDoubles: string;
  readonly checkAcks: string;
}

const english: DemoTexts = {
  title: "acktor: messages that are delivered, whatever is away",
  starting: "Starting PostgreSQL, a broker, the publisher and the acker …",
  sendCalm: (count) => `1. Everything runs: ${count} messages`,
  brokerAway: "2. The broker is taken away; sending goes on",
  stillAccepted: (count) => `   ${count} messages were accepted (201) and wait in the outbox`,
  brokerBack: "3. The broker comes back",
  ackerAway: "4. The acker is stopped; sending goes on",
  nobodyThere: (count) => `   ${count} messages were accepted; nobody is there to process them`,
  ackerLate: "5. The acker starts late",
  allAcknowledged: (seconds) => `   all messages are acknowledged, ${seconds} s later`,
  checking: "6. What the databases say",
  passed: "The demonstration has passed: nothing was lost, nothing was processed twice.",
  failed: "The demonstration has FAILED.",
  kept: (folder) => `Logs are kept in ${folder}`,
  item: "Item",
  value: "Value",
  connection: "Connection",
  state: "State",
  broker: "Broker",
  clientId: "Client id",
  uptime: "Uptime",
  seconds: (value) => `${value} s`,
  retries: "Retries",
  breaker: "Circuit breaker",
  buffer: "Buffer size",
  lastError: "Last error",
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
  checks: "Checks, by SQL",
  check: "Check",
  result: "Result",
  found: "Found",
  checkAccepted: "every message answered with 201 is in the outbox",
  checkAcknowledged: "all are acknowledged",
  checkInbox: "the inbox has a processed row for each",
  checkContent: "contents are the same on both sides",
  checkDoubles: "none was processed twice",
  checkAcks: "each acknowledgment is recorded",
};

const japanese: DemoTexts = {
  title: "acktor: 何が止まっていても届くメッセージ",
  starting: "PostgreSQL、ブローカー、publisher、acker を起動しています…",
  sendCalm: (count) => `1. すべて稼働中: ${count} 件を送信`,
  brokerAway: "2. ブローカーを停止し、送信を続けます",
  stillAccepted: (count) => `   ${count} 件が受理され (201)、アウトボックスで待機しています`,
  brokerBack: "3. ブローカーが復帰します",
  ackerAway: "4. acker を停止し、送信を続けます",
  nobodyThere: (count) => `   ${count} 件が受理されましたが、処理する相手がいません`,
  ackerLate: "5. acker が遅れて起動します",
  allAcknowledged: (seconds) => `   ${seconds} 秒後、すべて配信確認済みになりました`,
  checking: "6. データベースで確認します",
  passed: "デモンストレーション完了: 損失なし、二重処理なし。",
  failed: "デモンストレーション失敗。",
  kept: (folder) => `ログは ${folder} にあります`,
  item: "項目",
  value: "値",
  connection: "接続情報",
  state: "状態",
  broker: "ブローカー",
  clientId: "クライアントID",
  uptime: "稼働時間",
  seconds: (value) => `${value}秒`,
  retries: "リトライ回数",
  breaker: "サーキットブレーカー",
  buffer: "バッファーサイズ",
  lastError: "最後のエラー",
  statistics: "統計情報",
  attempts: "接続試行回数",
  successes: "成功接続回数",
  disconnections: "切断回数",
  sent: "送信メッセージ数",
  received: "受信メッセージ数",
  errors: "エラー統計",
  errorType: "エラータイプ",
  count: "件数",
  delivery: "メッセージ配信統計",
  meanRetries: "平均リトライ回数",
  total: "総メッセージ数",
  successRate: "成功率",
  pending: "未処理メッセージ",
  checks: "SQL による確認",
  check: "確認",
  result: "結果",
  found: "実際",
  checkAccepted: "201 を返したメッセージはすべてアウトボックスにある",
  checkAcknowledged: "すべて配信確認済み",
  checkInbox: "インボックスに処理済みの行が一つずつある",
  checkContent: "内容が両側で一致する",
  checkDoubles: "二重に処理されたものはない",
  checkAcks: "配信確認がすべて記録されている",
};

export function demoTexts(env: Readonly<Record<string, string | undefined>>): DemoTexts {
  return languageOf(undefined, env) === "ja" ? japanese : english;
}
