/** Services, people and pictures. */
import type { Term } from "./glossary.ts";

export const OPERATION_TERMS: readonly Term[] = [
  {
    word: { en: "destination", ja: "宛先" },
    meaning: {
      en: "A topic, or a group of topics, whose messages share one window.",
      ja: "同じ送信ウィンドウを使うトピック、またはその集まり。",
    },
    when: /\bdestinations?\b/i,
  },
  {
    word: { en: "instance", ja: "インスタンス" },
    meaning: {
      en: "One running process of a service.",
      ja: "サービスの、動いている 1 つのプロセス。",
    },
    when: /\binstances?\b/i,
  },
  {
    word: { en: "operator", ja: "運用者" },
    meaning: {
      en: "A person, or a program, with the scope `operate`.",
      ja: "スコープ `operate` を持つ人、またはプログラム。",
    },
    not: { ja: ["オペレーター"] },
    when: /\boperators?\b/i,
  },
  {
    word: { en: "scope", ja: "権限" },
    meaning: {
      en: "What a token may do: send, read, operate, admin.",
      ja: "トークンに許された操作。send、read、operate、admin のいずれか。",
    },
    not: { ja: ["スコープ"] },
    when: /\bscopes?\b/i,
  },
  {
    word: { en: "presence", ja: "プレゼンス" },
    meaning: {
      en: "What an acker says about itself on a retained topic: that it is online, and what it takes.",
      ja: "acker が保持メッセージで知らせる、オンラインかどうかと受け取るトピック。",
    },
    when: /\bpresence\b/i,
  },
  {
    word: { en: "birth", ja: "バース" },
    meaning: {
      en: "The presence message with which an acker comes online.",
      ja: "acker がオンラインになったときのプレゼンスのメッセージ。",
    },
    when: /\bbirths?\b/i,
  },
  {
    word: { en: "statechart", ja: "状態遷移図" },
    meaning: {
      en: "The picture of a state machine, generated from its code.",
      ja: "コードから生成した、ステートマシンの図。",
    },
    not: { en: ["state chart", "state diagram"], ja: ["ステートチャート"] },
    when: /\bstatecharts?\b/i,
  },
  {
    word: { en: "recording", ja: "記録" },
    meaning: {
      en: "A file of events that the console and `acktor replay-recording` play back.",
      ja: "イベントのファイル。コンソールと `acktor replay-recording` で再生できます。",
    },
    when: /\brecordings?\b/i,
  },
];
