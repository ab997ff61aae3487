/** What happens when something fails, and what operators do about it. */
import type { Term } from "./glossary.ts";

export const TROUBLE_TERMS: readonly Term[] = [
  {
    word: { en: "retry (of a message)", ja: "再送" },
    meaning: {
      en: "The publisher automatically publishes an unacknowledged message again.",
      ja: "未確認のメッセージを publisher が自動で送信し直すこと。",
    },
    not: { en: ["resend", "resends", "resent"], ja: ["リトライ"] },
    when: /\b(retr(y|ies|ying|ied)|sent again)\b/i,
    forms: ["再送", "再試行"],
    only: ["再送", "再試行"],
  },
  {
    word: { en: "retry (of anything else)", ja: "再試行" },
    meaning: {
      en: "A program automatically tries a connection, a statement or a request again.",
      ja: "接続、SQL 文、リクエストなどをプログラムが自動でやり直すこと。",
    },
  },
  {
    word: { en: "replay", ja: "再投入" },
    meaning: {
      en: "An operator puts a dead letter back into the outbox. Its retries count from 0.",
      ja: "運用者がデッドレターをアウトボックスに戻すこと。再送回数は 0 から数えます。",
    },
    when: /\breplay(s|ed)?\b/i,
    only: ["再投入"],
  },
  {
    word: { en: "dead letter", ja: "デッドレター" },
    meaning: {
      en: "A message that was marked failed or expired.",
      ja: "失敗または期限切れになったメッセージ。",
    },
    when: /\bdead letters?\b/i,
  },
  {
    word: { en: "discard", ja: "破棄" },
    meaning: {
      en: "An operator marks a dead letter as handled. It leaves the lists and can still be replayed by its id.",
      ja: "運用者がデッドレターを対応済みにすること。一覧から外れますが、ID を指定すれば再投入できます。",
    },
    when: /\bdiscard(s|ed)?\b/i,
  },
  {
    word: { en: "cancel", ja: "取り消し" },
    meaning: {
      en: "An operator marks a waiting message failed, reason `cancelled`.",
      ja: "運用者が待機中のメッセージを、理由 `cancelled` で失敗にすること。",
    },
    when: /\bcancel(s)?\b(?!led)/i,
    forms: ["取り消し", "取り消す"],
  },
  {
    word: { en: "expired", ja: "期限切れ" },
    meaning: {
      en: "The message was not acknowledged within its time to live.",
      ja: "メッセージが有効期間内に確認されなかったこと。",
    },
    when: /\bexpired\b/i,
  },
  {
    word: { en: "refuse", ja: "拒否" },
    meaning: {
      en: "The broker or a server does not take a message or a request.",
      ja: "ブローカーやサーバーが、メッセージやリクエストを受け取らないこと。",
    },
    when: /\brefuse(s|d)?\b/i,
  },
  {
    word: { en: "reject", ja: "却下" },
    meaning: {
      en: "The acker does not process a message and sends a rejecting ack; validation answers 400 or 422.",
      ja: "acker がメッセージを処理せず、ack でそれを知らせること。検証の場合は 400 または 422 を返します。",
    },
    when: /\breject(s|ed)?\b/i,
  },
  {
    word: { en: "park", ja: "保留" },
    meaning: {
      en: "The publisher sends nothing but single probes to a destination that does not answer.",
      ja: "応答しない宛先への送信を止め、1 件ずつ様子を見ること。",
    },
    when: /\bparked?\b/i,
  },
  {
    word: { en: "circuit breaker", ja: "サーキットブレーカー" },
    meaning: {
      en: "Stops publishing after repeated failures: CLOSED, OPEN, HALF_OPEN.",
      ja: "失敗が続いたときに送信を止める仕組み。CLOSED、OPEN、HALF_OPEN の状態を持ちます。",
    },
    when: /\bcircuit breaker\b/i,
  },
  {
    word: { en: "half-open", ja: "ハーフオープン" },
    meaning: {
      en: "The circuit breaker lets single messages through to learn whether publishing works again.",
      ja: "送信が回復したかを確かめるため、サーキットブレーカーが 1 件ずつ通す状態。",
    },
    when: /\bhalf-open\b/i,
  },
  {
    word: { en: "backoff", ja: "バックオフ" },
    meaning: {
      en: "The growing pause between two retries.",
      ja: "再試行や再送のたびに長くなる待ち時間。",
    },
    when: /\bbackoff\b/i,
  },
  {
    word: { en: "timeout", ja: "タイムアウト" },
    meaning: {
      en: "The time after which a program stops waiting.",
      ja: "プログラムが待つのをやめるまでの時間。",
    },
    not: { ja: ["時間切れ"] },
    when: /\b(timeout|timed out)\b/i,
  },
  {
    word: { en: "high-water mark", ja: "上限" },
    meaning: {
      en: "The most waiting messages: at it the publisher refuses new ones with 429.",
      ja: "待機できるメッセージの最大数。達すると publisher は新しいメッセージを 429 で拒否します。",
    },
    when: /\bhigh-water mark\b/i,
  },
];
