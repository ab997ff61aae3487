/** The doctor's findings and remedies in Japanese. */
import { databaseWords } from "@acktor/shared/texts/database-words";
import type { Texts } from "./english.ts";

export const japaneseDoctor: Texts["doctor"] = {
  configOk: "問題なし",
  configRunning: "DATABASE_URL と MQTT_URL の両方は設定されていません。代わりに稼働中のサービスを診断します",
  configMissing: (names) => `未診断: ${names} が設定されておらず、\`acktor start\` も見つかりません`,
  configMissingFix: "サービスと同じ環境変数で診断してください",
  configFix: "これらの設定を直してください。一覧は docs/reference/configuration.md にあります",
  serviceStateFix: "一時停止なら `acktor resume`、それ以外はサービスのログを確認してください",
  serviceLinkFix: "`broker` の診断を確認し、原因を除いたら `acktor link reset` ですぐに再試行できます",
  postgresFound: (version, ms) => `PostgreSQL ${version}、往復 ${ms} ミリ秒`,
  postgresAwayFix: "PostgreSQL を起動するか、DATABASE_URL のホスト、ポート、TLS を直してください",
  postgresOldFix: (oldest, newest) => `PostgreSQL ${oldest} から ${newest} を使ってください`,
  postgresNewFix: (newest) => `acktor は PostgreSQL ${newest} まで検証済みです。問題があれば報告してください`,
  databaseState: (kind) => databaseWords(kind, "ja"),
  durabilityFix: "fsync=on と synchronous_commit=on にしてください。201 は障害でも失われないという約束です",
  clockFound: (ms) =>
    `PostgreSQL の時計はこのマシンより ${Math.abs(ms)} ミリ秒${ms < 0 ? "遅れています" : "進んでいます"}`,
  clockFix: "両方のマシンの時刻を NTP で合わせてください",
  migrated: (count) => `${count} 件適用済み、不足なし`,
  pending: (names) => `未適用: ${names}`,
  pendingFix: "`acktor migrate` を実行するか、ACKTOR_MIGRATE=off を外してサービスを一度起動してください",
  noInbox: "このデータベースにインボックスがありません",
  noInboxFix: "acker が別のデータベースを使うなら問題ありません。そうでなければ `acktor migrate` を実行してください",
  noOutbox: "このデータベースにアウトボックスがありません",
  outbox: (id, prefix) => `アウトボックス ${id}、ack は ${prefix} の下`,
  prefixFix: (known, configured) =>
    `アウトボックスは ${known} で使われていましたが、ここの ACKTOR_ACK_PREFIX は ${configured} です。どこでも同じ値にしてください`,
  brokerFound: (broker, version, ms) => `${broker}、${version}、PUBLISH から PUBACK まで ${ms} ミリ秒`,
  brokerElsewhere: (broker, why) => `${broker}: サービスは接続済みですが、ここからは接続できません (${why})`,
  brokerFixes: {
    network: "ブローカーを起動するか、MQTT_URL を直してください。ファイアウォールも確認してください",
    authentication: "MQTT_USERNAME と MQTT_PASSWORD、ブローカーの ACL、または証明書を直してください",
    timeout: "このアドレスのサーバーは MQTT に対応していません。MQTT_URL のポートとスキームを直してください",
    protocol: "MQTT_URL のスキーム (mqtt、mqtts、ws、wss) を直すか、ACKTOR_MQTT_VERSION を auto にしてください",
    application: "ブローカーのログを確認してください",
  },
  brokerSlowFix:
    "ブローカーが遅く、すべてが制限されます。負荷と、mosquitto なら set_tcp_nodelay true を確認してください",
  publishFailed: (broker, version, why) => `${broker}、${version}、PUBLISH 失敗: ${why}`,
  publishFix: "このユーザーに acktor/doctor/# への送信を許可するか、ブローカーのログを確認してください",
  limitsUntold: "MQTT 3.1.1: ブローカーは制限を知らせません",
  limitsUnknown: "制限を読む前に接続が終わりました",
  qosFix: "QoS 1 に対応したブローカーを使ってください。QoS 1 がなければ何も確認済みになりません",
  packetFix: "ブローカーの最大パケットサイズを 400,000 バイトに上げるか、内容を小さくしてください",
  sessionsDirect: "接続ごとに専用のセッションがあり、文は準備されます",
  sessionsPooled: "プーラー経由です。文ごとに専用のトランザクションを使います",
  sessionsFix:
    "ACKTOR_DATABASE_POOLER をプーラーの pool_mode に合わせてください。acktor のこれらの設定が途中で失われています",
  oldLock: (holder, seconds, count) =>
    `${holder} が outbox のロックを ${seconds} 秒間保持しています${count > 1 ? `（他に ${count - 1} 件）` : ""}`,
  oldLockFix:
    "そのトランザクションを終了してください: pg_terminate_backend(pid) または rollback prepared '…'。同じ ordering_key の呼び出しが待っています",
  questionFix: "サービスのロールで診断してください。`acktor migrate` が必要な権限を与えます",
  noForeign: (prefix) => `${prefix} の下に他のアウトボックスの ack はありません`,
  foreign: (prefix, heard, counted) =>
    `このアウトボックスにないメッセージの ack が ${prefix} の下に届いています (受信 ${heard} 件、publisher の計数 ${counted} 件)`,
  foreignFix:
    "ブローカーを共有するアウトボックスごとに ACKTOR_ACK_PREFIX を分けてください。保持期間の経過後や復元の後には少数なら正常です",
  natsFound: (version, ms) => `NATS ${version}、往復 ${ms} ミリ秒`,
  natsFix: "NATS を起動するか、NATS_URL を直してください。NATS がなくても各サービスは単独で動きます",
  natsLoginFix: "NATS_URL のユーザー名、パスワード、トークンを直してください",
  diskFound: (folder, mib) => `${folder} の空き ${mib} MiB`,
  diskUnknown: "空き容量を読めません",
  diskFix: "空き容量を増やすか、ACKTOR_DATA_DIR を別のディスクにしてください",
};
