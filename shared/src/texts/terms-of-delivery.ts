/** The terms of a message on its path. */
import type { Term } from "./glossary.ts";

export const DELIVERY_TERMS: readonly Term[] = [
  {
    word: { en: "outbox", ja: "アウトボックス" },
    meaning: {
      en: "The publisher's tables. A message is in it from the commit of the sender's transaction on.",
      ja: "publisher のテーブル。送信側のトランザクションがコミットされた時点から、メッセージはここにあります。",
    },
    not: { ja: ["送信箱"] },
    when: /\boutbox\b/i,
  },
  {
    word: { en: "inbox", ja: "インボックス" },
    meaning: {
      en: "The acker's tables. A row per message proves that it was processed, and detects duplicates.",
      ja: "acker のテーブル。メッセージごとの行が処理済みであることを証明し、重複を検出します。",
    },
    not: { ja: ["受信箱"] },
    when: /\binbox\b/i,
  },
  {
    word: { en: "publisher", ja: "publisher" },
    meaning: {
      en: "The service that accepts messages, publishes them and settles their acks.",
      ja: "メッセージを受け付けて送信し、ack の結果を確定するサービス。",
    },
    not: { ja: ["パブリッシャー"] },
    when: /\bpublishers?\b/i,
  },
  {
    word: { en: "acker", ja: "acker" },
    meaning: {
      en: "The service, or the library, that receives messages, processes each once and sends the ack.",
      ja: "メッセージを受信して一度だけ処理し、ack を返すサービス、またはライブラリ。",
    },
    not: { ja: ["アッカー"] },
    when: /\backers?\b/i,
  },
  {
    word: { en: "accepted", ja: "受付" },
    meaning: {
      en: "The message is committed on the primary: the answer 201. It says nothing about delivery.",
      ja: "メッセージがプライマリにコミットされたこと (応答 201)。配信についてはまだ何も示しません。",
    },
    not: { ja: ["受理"] },
    when: /\baccept(ed|ance|s|ing)?\b/i,
    forms: ["受付", "受け付け"],
  },
  {
    word: { en: "published", ja: "送信" },
    meaning: {
      en: "The publisher has sent a PUBLISH to the broker.",
      ja: "publisher がブローカーに PUBLISH を送ったこと。",
    },
  },
  {
    word: { en: "ack", ja: "ack" },
    meaning: {
      en: "The acker's message under `delivery/ack/<id>`: the message was processed. Not the broker's PUBACK.",
      ja: "`delivery/ack/<id>` に届く、処理済みを知らせる acker のメッセージ。ブローカーの PUBACK とは別のものです。",
    },
    not: {
      en: ["acknowledgement", "acknowledgements", "acknowledgment", "acknowledgments"],
      ja: ["配信確認", "確認応答"],
    },
    when: /\backs?\b/i,
    only: ["ack"],
  },
  {
    word: { en: "acknowledged", ja: "確認済み" },
    meaning: {
      en: "The outbox holds the ack of the message: one receiver has processed it.",
      ja: "アウトボックスに ack が記録されたこと。1 つの受信者が処理を終えています。",
    },
    when: /\backnowledged\b/i,
  },
  {
    word: { en: "late", ja: "遅延" },
    meaning: {
      en: "An ack that arrived after the message was marked failed or expired. It is recorded; the state stays.",
      ja: "メッセージが失敗または期限切れになった後に届いた ack。記録はされますが、状態は変わりません。",
    },
  },
  {
    word: { en: "settle", ja: "確定" },
    meaning: {
      en: "To write the result of an ack to the outbox.",
      ja: "ack の結果をアウトボックスに書き込むこと。",
    },
    when: /\bsettl(e|es|ed|ing)\b/i,
  },
  {
    word: { en: "in flight", ja: "送信中" },
    meaning: {
      en: "Published and not yet acknowledged, failed or expired.",
      ja: "送信済みで、まだ確認済み、失敗、期限切れのどれでもないこと。",
    },
    when: /\bin flight\b/i,
  },
  {
    word: { en: "window", ja: "送信ウィンドウ" },
    meaning: {
      en: "How many messages of a destination may be in flight.",
      ja: "1 つの宛先で同時に送信中にできるメッセージの数。",
    },
    when: /\bwindows?\b/i,
  },
  {
    word: { en: "lane", ja: "レーン" },
    meaning: {
      en: "The messages of one ordering key, in the order of their commits.",
      ja: "同じ順序キーを持つメッセージの、コミット順の列。",
    },
    when: /\blanes?\b/i,
  },
  {
    word: { en: "ordering key", ja: "順序キー" },
    meaning: {
      en: "Messages with the same key arrive in the order of their commits, one at a time.",
      ja: "同じキーのメッセージは、コミットされた順に 1 件ずつ届きます。",
    },
    when: /\bordering keys?\b/i,
  },
  {
    word: { en: "lease", ja: "リース" },
    meaning: {
      en: "The time-limited ownership of rows by one instance.",
      ja: "1 つのインスタンスによる、期限付きの行の占有。",
    },
    when: /\bleased?\b/i,
  },
];
