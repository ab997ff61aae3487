/** The overview: warnings, figures, rates, dependencies, destinations. */
import type { Bilingual } from "@acktor/shared/texts/language";

export const OVERVIEW_TEXTS = {
  "overview.loading": { en: "Loading the overview …", ja: "概要を読み込んでいます…" },
  "warnings.label": { en: "Warnings", ja: "警告" },
  "warnings.none": { en: "No action required.", ja: "対応が必要なことはありません。" },
  "warnings.since": { en: "for {time}", ja: "{time} 継続" },
  "warning.postgres_away": {
    en: "{database}. The publisher accepts no messages. {remedy}",
    ja: "{database}。publisher は受け付けを停止しています。{remedy}",
  },
  "warning.broker_away": {
    en: "The broker is unreachable ({state}). Messages are kept. {reason}",
    ja: "ブローカーに接続できません ({state})。メッセージは保管されています。{reason}",
  },
  "warning.breaker_open": {
    en: "The circuit breaker is open. The publisher sends nothing.",
    ja: "サーキットブレーカーが開いています。publisher は送信を停止しています。",
  },
  "warning.no_acker": {
    en: "No acker has been online for {time}. Messages are not processed.",
    ja: "{time} の間、オンラインの acker がありません。メッセージは処理されません。",
  },
  "warning.high_water": {
    en: "The high-water mark is reached: {waiting} of {high_water} messages are waiting. New messages are refused.",
    ja: "上限に達しました。{high_water} 件中 {waiting} 件が待機中で、新しいメッセージは拒否されます。",
  },
  "warning.near_high_water": {
    en: "Close to the high-water mark: {waiting} of {high_water} messages are waiting.",
    ja: "上限に近づいています。{high_water} 件中 {waiting} 件が待機中です。",
  },
  "warning.old_waiting": {
    en: "The oldest message has been waiting for {age}.",
    ja: "最も古いメッセージが {age} 待っています。",
  },
  "warning.old_lock": {
    en: "{holder} has written to the outbox and does not end. Callers of its ordering keys wait for it.",
    ja: "{holder} がアウトボックスに書き込んだまま終了していません。同じ順序キーを使う呼び出しが待っています。",
  },
  "warning.hang_ups": {
    en: "The broker closes the connection at {messages} messages. Check what it allows on their topics: {topics}.",
    ja: "ブローカーが {messages} 件のメッセージで接続を切断します。トピックの許可を確認してください: {topics}",
  },
  "warning.quota": {
    en: "Over a quota of about {rate} a second: the broker leaves further messages unanswered. They are sent more slowly.",
    ja: "ブローカーの上限 (毎秒約 {rate} 件) を超えています。送信速度を下げています。",
  },
  "warning.parked": {
    en: "{destinations} destinations do not answer and are parked.",
    ja: "{destinations} 件の宛先が応答しないため保留されています。",
  },
  "warning.acks_ignored": {
    en: "Acks of {device} are ignored ({count}; {devices} devices): {reason}. Its messages are sent again until this is corrected.",
    ja: "{device} の ack を無視しています ({count} 件、{devices} 台): {reason}。修正されるまでメッセージは再送されます。",
  },
  "warning.paused": { en: "An operator has paused publishing.", ja: "運用者が送信を一時停止しています。" },
  "warning.failing": {
    en: "{area} fails ({sqlstate}). Fix: {remedy}",
    ja: "{area} が失敗しています ({sqlstate})。対処: {remedy}",
  },

  "outage.now": {
    en: "The broker has been unreachable for {length}.",
    ja: "ブローカーに {length} 接続できていません。",
  },
  "outage.over": {
    en: "The broker was unreachable for {length} ({began}).",
    ja: "ブローカーに {length} 接続できませんでした ({began})。",
  },
  "outage.account": {
    en: "Accepted {accepted}, acknowledged {acknowledged}, sent again {resent}, duplicates {double}.",
    ja: "受付 {accepted}、確認済み {acknowledged}、再送 {resent}、重複 {double}。",
  },
  "outage.settled": { en: "All are settled.", ja: "すべて確定しました。" },
  "outage.settling": { en: "Some are not settled yet.", ja: "まだ確定していないものがあります。" },

  "figures.label": { en: "Figures", ja: "主な数値" },
  "figures.states": { en: "Messages by state", ja: "状態別メッセージ数" },
  "figures.waiting": { en: "Waiting", ja: "待機中" },
  "figures.nothingWaits": { en: "none waiting", ja: "待機なし" },
  "figures.oldest": { en: "oldest {time}", ja: "最古 {time}" },
  "figures.endToEnd": { en: "End to end, p50", ja: "エンドツーエンド p50" },
  "figures.p95": { en: "p95 {time}, last 5 min", ja: "p95 {time} (直近 5 分)" },
  "figures.success": { en: "Success", ja: "成功率" },
  "figures.successOf": { en: "of messages that require an ack", ja: "ack を求めるメッセージのうち" },
  "figures.breaker": { en: "Breaker openings", ja: "ブレーカー作動回数" },
  "state.pending": { en: "pending", ja: "未送信" },
  "state.sent": { en: "sent", ja: "送信済み" },
  "state.acknowledged": { en: "acknowledged", ja: "確認済み" },
  "state.failed": { en: "failed", ja: "失敗" },
  "state.expired": { en: "expired", ja: "期限切れ" },

  "rates.title": { en: "Messages per second", ja: "毎秒のメッセージ数" },
  "rates.accepted": { en: "accepted", ja: "受付" },
  "rates.published": { en: "published", ja: "送信" },
  "rates.acknowledged": { en: "acknowledged", ja: "確認済み" },
  "rates.chart": {
    en: "Rates of the last five minutes. The legend shows the figures.",
    ja: "直近 5 分間の毎秒件数。数値は凡例にあります。",
  },

  "dependencies.title": { en: "Dependencies", ja: "依存先" },
  "dependency.postgres": { en: "PostgreSQL", ja: "PostgreSQL" },
  "dependency.broker": { en: "Broker", ja: "ブローカー" },
  "dependency.nats": { en: "NATS", ja: "NATS" },
  "dependency.ackers": { en: "Ackers", ja: "acker" },
  "dependency.ok": { en: "ok", ja: "正常" },
  "dependency.away": { en: "unreachable", ja: "接続不可" },
  "dependency.off": { en: "not configured", ja: "未設定" },
  "dependency.online": { en: "{count} online", ja: "{count} 台オンライン" },

  "service.publisher": { en: "Publisher", ja: "publisher" },
  "service.acker": { en: "Acker", ja: "acker" },
  "service.none": { en: "No instance yet.", ja: "インスタンスはまだありません。" },
  "service.more": { en: "and {count} more", ja: "他 {count} 台" },

  "destinations.title": { en: "Destinations", ja: "宛先" },
  "destinations.none": { en: "No destination had messages recently.", ja: "最近メッセージのあった宛先はありません。" },
  "destinations.name": { en: "Destination", ja: "宛先" },
  "destinations.state": { en: "State", ja: "状態" },
  "destinations.parked": { en: "parked", ja: "保留" },
  "destinations.open": { en: "open", ja: "通常" },
  "destinations.waiting": { en: "Waiting", ja: "待機中" },
  "destinations.unacked": { en: "Awaiting ack", ja: "ack 待ち" },
  "destinations.oldest": { en: "Oldest waiting", ja: "最古の待機" },
  "destinations.lastAnswer": { en: "Last answer", ja: "最後の応答" },
  "destinations.never": { en: "never", ja: "なし" },

  "send.one": { en: "Send a test message", ja: "テストメッセージを送信" },
  "send.many": { en: "Send {count}", ja: "{count} 件送信" },
  "send.verb": { en: "Send", ja: "送信" },
  "send.sent": { en: "{count} sent", ja: "{count} 件送信しました" },
  "send.hint": {
    en: "An acker that subscribes to this topic acknowledges the messages.",
    ja: "このトピックを購読する acker が応答します。",
  },
  "field.topic": { en: "Topic", ja: "トピック" },
  "field.content": { en: "Content", ja: "内容" },
} as const satisfies Readonly<Record<string, Bilingual>>;
