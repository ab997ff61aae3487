/** Machines: instances, actors, time travel, operators' commands. */
import type { Bilingual } from "@acktor/shared/texts/language";

export const MACHINE_TEXTS = {
  "machines.count": { en: "{live} live, {stopped} stopped", ja: "稼働 {live}、停止 {stopped}" },
  "machines.counts": { en: "Actors by state", ja: "状態別アクター数" },
  "machines.none": { en: "No instance yet.", ja: "インスタンスはまだありません。" },
  "machines.notKnown": {
    en: "The state of {actor} at this time is not known.",
    ja: "この時点の {actor} の状態は不明です。",
  },
  "machines.stopped": {
    en: "This instance stopped {ago}. Its last state is shown.",
    ja: "このインスタンスは{ago}に停止しました。最後の状態を表示しています。",
  },
  "fleet.title": { en: "Instances", ja: "インスタンス" },
  "fleet.instance": { en: "Instance", ja: "インスタンス" },
  "fleet.uptime": { en: "up {time}", ja: "稼働 {time}" },
  "fleet.actors": { en: "Actors", ja: "アクター" },
  "fleet.stopped": { en: "stopped", ja: "停止" },
  "fleet.none": { en: "No instance yet.", ja: "インスタンスはまだありません。" },
  "fleet.noMatch": { en: "No instance is in this state.", ja: "この状態のインスタンスはありません。" },
  "actor.log": { en: "Show its log", ja: "ログを見る" },
  "actor.lastEvent": { en: "Last transition: {event} at {time}", ja: "最後の遷移: {event} ({time})" },
  "actor.noEvent": { en: "No transition yet.", ja: "遷移はまだありません。" },
  "actor.noChart": { en: "There is no statechart of this machine.", ja: "このマシンの状態遷移図はありません。" },
  "actor.context": { en: "Context", ja: "コンテキスト" },
  "actor.chart": { en: "Statechart", ja: "状態遷移図" },
  "actor.fullSize": { en: "Full size", ja: "原寸" },
  "actor.outline": { en: "Outline", ja: "アウトライン" },
  "actor.commands": { en: "Available commands", ja: "実行できる操作" },
  "frozen.at": { en: "You are viewing {time}.", ja: "{time} の時点を表示しています。" },
  "frozen.return": { en: "Back to now", ja: "現在に戻る" },
  "frozen.end": { en: "To the end of the recording", ja: "記録の最後へ" },

  "command.title": { en: "{command}: {instance}", ja: "{command}: {instance}" },
  "command.connect": { en: "Connect", ja: "接続" },
  "command.connect.does": { en: "The link connects to the broker now.", ja: "今すぐブローカーに接続します。" },
  "command.disconnect": { en: "Disconnect", ja: "切断" },
  "command.disconnect.does": {
    en: "The link disconnects from the broker until an operator connects it again. Messages are kept.",
    ja: "運用者が再び接続するまで、ブローカーから切断します。メッセージは保管されます。",
  },
  "command.reset": { en: "Reset", ja: "リセット" },
  "command.reset.does": {
    en: "The link resets its backoff, closes the breaker and retries immediately.",
    ja: "バックオフを最初に戻し、ブレーカーを閉じて、すぐに再試行します。",
  },
  "command.breaker.open": { en: "Open the breaker", ja: "ブレーカーを開く" },
  "command.breaker.open.does": {
    en: "Publishing stops until the breaker is closed. Messages are kept.",
    ja: "ブレーカーを閉じるまで送信しません。メッセージは保管されます。",
  },
  "command.breaker.close": { en: "Close the breaker", ja: "ブレーカーを閉じる" },
  "command.breaker.close.does": { en: "Publishing continues.", ja: "送信を再開します。" },
  "command.pause": { en: "Pause", ja: "一時停止" },
  "command.pause.does": {
    en: "The service stops its work until it is resumed. Nothing is lost.",
    ja: "再開するまで処理を止めます。失われるものはありません。",
  },
  "command.resume": { en: "Resume", ja: "再開" },
  "command.resume.does": { en: "The service continues its work.", ja: "処理を再開します。" },
  "command.drain": { en: "Drain and stop", ja: "完了して停止" },
  "command.drain.does": {
    en: "The service finishes its current work, then its process exits.",
    ja: "手元の処理を終えてからプロセスが終了します。",
  },
  "command.replay": { en: "Replay dead letters", ja: "デッドレターを再投入" },
  "command.replay.does": {
    en: "Failed and expired messages return to the outbox.",
    ja: "失敗または期限切れのメッセージをアウトボックスに戻します。",
  },
} as const satisfies Readonly<Record<string, Bilingual>>;
