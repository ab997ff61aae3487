/** The texts of the demonstration, in English and in Japanese. `{0}` is replaced by a figure or a path. */
import { type Language, languageOf } from "@acktor/shared/texts/language";
import { STATUS_WORDS, type StatusWords } from "@acktor/shared/texts/status-words";

const ENGLISH = {
  title: "acktor: messages are delivered, regardless of what fails",
  starting: "Starting PostgreSQL, a broker, the publisher and the acker …",
  sendCalm: "1. Everything runs: {0} messages",
  brokerAway: "2. The broker is stopped; sending continues",
  stillAccepted: "   {0} messages were accepted (201) and wait in the outbox",
  brokerBack: "3. The broker is started again",
  ackerAway: "4. The acker is stopped; sending continues",
  noAcker: "   {0} messages were accepted; no acker runs to process them",
  ackerLate: "5. The acker is started again",
  allAcknowledged: "   all messages are acknowledged, {0} s later",
  checking: "6. Check of both databases",
  passed: "The demonstration has passed: no message was lost, none was processed twice.",
  failed: "The demonstration has FAILED.",
  kept: "Logs are kept in {0}",
  seconds: "{0} s",
  checks: "Checks, by SQL",
  check: "Check",
  result: "Result",
  found: "Found",
  checkAccepted: "every message answered with 201 is in the outbox",
  checkAcknowledged: "all are acknowledged",
  checkInbox: "the inbox has a processed row for each",
  checkContent: "contents are the same on both sides",
  checkDoubles: "none was processed twice",
  checkAcks: "each ack is recorded",
};

type OwnTexts = Readonly<Record<keyof typeof ENGLISH, string>>;
export type DemoTexts = OwnTexts & StatusWords;

const JAPANESE: OwnTexts = {
  title: "acktor: 何が止まっていても届くメッセージ",
  starting: "PostgreSQL、ブローカー、publisher、acker を起動しています…",
  sendCalm: "1. すべて稼働中: {0} 件を送信",
  brokerAway: "2. ブローカーを停止し、送信を続けます",
  stillAccepted: "   {0} 件を受け付け (201)、アウトボックスで待機しています",
  brokerBack: "3. ブローカーが復帰します",
  ackerAway: "4. acker を停止し、送信を続けます",
  noAcker: "   {0} 件を受け付けましたが、オンラインの acker がありません",
  ackerLate: "5. acker が遅れて起動します",
  allAcknowledged: "   {0} 秒後、すべて確認済みになりました",
  checking: "6. データベースで確認します",
  passed: "デモンストレーション完了: 損失なし、二重処理なし。",
  failed: "デモンストレーション失敗。",
  kept: "ログは {0} にあります",
  seconds: "{0}秒",
  checks: "SQL による確認",
  check: "確認",
  result: "結果",
  found: "実際",
  checkAccepted: "201 を返したメッセージはすべてアウトボックスにある",
  checkAcknowledged: "すべて確認済み",
  checkInbox: "インボックスに処理済みの行が一つずつある",
  checkContent: "内容が両側で一致する",
  checkDoubles: "二重に処理されたものはない",
  checkAcks: "ack がすべて記録されている",
};

const OWN: Readonly<Record<Language, OwnTexts>> = { en: ENGLISH, ja: JAPANESE };

export function demoTexts(env: Readonly<Record<string, string | undefined>>): DemoTexts {
  const language = languageOf(undefined, env);
  return { ...STATUS_WORDS[language], ...OWN[language] };
}

export function fill(text: string, value: string | number): string {
  return text.replace("{0}", String(value));
}
