/** The texts of `fault`. */
import { languageOf } from "@acktor/shared/texts/language";

export interface FaultTexts {
  readonly lang: "en" | "ja";
  readonly usage: string;
  readonly away: Readonly<Record<"line" | "busy" | "publisher" | "untouched", string>>;
  readonly accepted: (accepted: number, others: number) => string;
  readonly acknowledged: (acknowledged: number, lost: number) => string;
  readonly missed: (seconds: string | null) => string;
  readonly recovered: (seconds: string | null) => string;
  readonly verdict: (passed: boolean) => string;
}

const english: FaultTexts = {
  lang: "en",
  usage: "usage: fault list | fault NAME|all [--rate 50] [--lang en|ja]",
  away: {
    line: "the line is unreachable; is the service chaos running?",
    busy: "another fault is running",
    publisher: "the publisher is unreachable, or refuses this token",
    untouched:
      "no traffic on this line; run MQTT_HOST=chaos docker compose --profile chaos up -d --wait, then try again",
  },
  accepted: (accepted, others) => `accepted ${accepted}, refused or unanswered ${others}`,
  acknowledged: (acknowledged, lost) => `acknowledged ${acknowledged}, lost ${lost}`,
  missed: (seconds) => (seconds === null ? "the link stayed CONNECTED" : `not CONNECTED after ${seconds} s`),
  recovered: (seconds) =>
    seconds === null ? "the link did not reconnect" : `CONNECTED ${seconds} s after the last fault`,
  verdict: (passed) => (passed ? "passed" : "FAILED"),
};

const japanese: FaultTexts = {
  lang: "ja",
  usage: "使い方: fault list | fault 名前|all [--rate 50] [--lang en|ja]",
  away: {
    line: "回線に接続できません。サービス chaos は動いていますか?",
    busy: "別の障害を実行中です",
    publisher: "publisher に接続できないか、トークンが拒否されました",
    untouched:
      "この回線には何も流れていません。MQTT_HOST=chaos docker compose --profile chaos up -d --wait の後にもう一度実行してください",
  },
  accepted: (accepted, others) => `受付 ${accepted} 件、拒否または無応答 ${others} 件`,
  acknowledged: (acknowledged, lost) => `確認済み ${acknowledged} 件、損失 ${lost} 件`,
  missed: (seconds) => (seconds === null ? "CONNECTED のまま" : `${seconds} 秒後に CONNECTED ではなくなりました`),
  recovered: (seconds) => (seconds === null ? "復旧しませんでした" : `最後の障害の ${seconds} 秒後に CONNECTED へ復旧`),
  verdict: (passed) => (passed ? "合格" : "不合格"),
};

/** @param asked `en` or `ja`; empty: the environment decides */
export function chooseFaultTexts(asked: string, env: Readonly<Record<string, string | undefined>>): FaultTexts {
  return languageOf(asked, env) === "ja" ? japanese : english;
}
