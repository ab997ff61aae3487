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
  oldSnapshot: (pid, who, seconds) =>
    `${who} (pid ${pid}) のトランザクションが ${seconds} 秒続いており、その間に終わった行を削除できません`,
  oldSnapshotFix: "終了するか、select pg_terminate_backend(<pid>) を実行してください。続く間は取得が遅くなります",
  heldWal: (slot, mib, active) =>
    `レプリケーションスロット ${slot} (${active ? "使用中" : "未使用"}) が WAL を ${mib} MiB 保持しています`,
  heldWalFix: "スタンバイや購読側を起動するか、スロットを削除してください。PostgreSQL のディスクが満杯になります",
  manyIds: (millions) => `最後の凍結から ${millions} 百万トランザクションです。2,100 百万で書き込みが拒否されます`,
  manyIdsFix:
    "古いトランザクション、準備済みトランザクション、未使用のレプリケーションスロットを終わらせ、スーパーユーザーで vacuum freeze を実行してください",
  encodingFix: "文字コードが UTF8 のデータベースを使ってください。表せない文字は拒否されます (400)",
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
  nothingRefused: "ブローカーは will とすべてのフィルターを許可しています",
  refusedFeatureFix:
    "ブローカーの ACL で許可するか、その機能を切ってください (ACKTOR_PRESENCE=off)。サービスはそれなしで動きます",
  brokerSlowConnect: (broker, seconds) => `${broker}: 接続に ${seconds} 秒かかり、ACKTOR_CONNECT_TIMEOUT を超えました`,
  brokerSlowConnectFix: (setting) =>
    `回線かブローカーが遅い状態です。ACKTOR_CONNECT_TIMEOUT=${setting} にするか、ブローカーの負荷と認証の処理を確認してください`,
  brokerMuteFix:
    "サーバーは接続を受け付けますが CONNECT に答えません。ブローカーの負荷とログを確認してください。MQTT ブローカーでないか TLS が必要なら、MQTT_URL のポートとスキームを直してください",
  brokerSays: (banner) => `サーバーの応答「${banner}」`,
  clientCertificateFix: "クライアント証明書 (MQTT_CERT、MQTT_KEY) を更新し、ブローカーが信頼する CA で署名してください",
  serverCertificateFix:
    "MQTT_CA にブローカーの証明書の CA を、MQTT_URL に証明書にある名前を指定してください。期限切れなら更新してください",
  clientIdFix: "ブローカーがクライアント ID を拒否しています。受け付けられる ID を ACKTOR_CLIENT_ID に設定してください",
  otherServerFix: "ブローカーが示すサーバーを MQTT_URL に設定してください",
  subscriptionFix: "このユーザーにこのフィルターの購読をブローカーの ACL で許可してください",
  certificateFound: (day) => `MQTT_CERT は ${day} まで有効です`,
  certificateExpired: (day) => `MQTT_CERT は ${day} に期限切れになりました`,
  certificateNotYet: (day) => `MQTT_CERT は ${day} より前は有効ではありません`,
  acksElsewhere: (acks, found, prefix) =>
    `このアウトボックスのメッセージの ack ${acks} 件が ${found} の下に届いています。publisher は ${prefix} の下で待っています`,
  acksElsewhereFix:
    "ブリッジかマウントポイントが ack のトピックを変えています。帰り道を設けるか ACKTOR_ACK_TOPIC_FOR を設定してください: docs/how-to/bridges-and-brokers.md",
  ackersFound: (online) => `オンラインの acker ${online} 台`,
  ackersLost: (online, lost, names) => `オンラインの acker ${online} 台、失われた acker ${lost} 台 (${names})`,
  ackersLostFix:
    "再び起動してください。もう使わないものは、そのプレゼンスのトピックに空の保持メッセージを送れば消えます",
  noAckers: "どの acker も名乗っていません",
  noAckersFix:
    "このブローカーで acker を起動してください。付属のコードを使わない受信側や、RabbitMQ のワイルドカードの先の acker は、名乗らなくても動きます",
  ackerAccess: (filters) => `acker は will と ${filters} 個のフィルターで接続できます`,
  ackerAccessFix: "理由が示すもの (認証情報、acker のフィルターの ACL、ACKTOR_CLIENT_ID) を直してください",
  presenceRefused: (why) => `acker の名乗りが拒否されました: ${why}`,
  presenceFix: "acker にプレゼンスの下への保持メッセージの送信を許可するか、ACKTOR_PRESENCE=off にしてください",
  nothingCounted: "サービスは ack とトピックの異常を数えていません",
  unsignedFix: "publisher と acker に同じ ACKTOR_ACK_SECRET、または互いの公開鍵を設定してください",
  mismatchFix:
    "ack が送信先と違うトピックを示しています。ブリッジとマウントポイントを acker の ACKTOR_TOPIC_MAP に宣言してください",
  malformedAckFix:
    "トピックと理由は publisher のログにあります。何が ack と見なされるかは docs/how-to/acker-without-our-code.md にあります",
  retainedFix: "ack は保持フラグなしで送り、残っているものを消してください: docs/how-to/bridges-and-brokers.md",
  ackRefusedFix: "acker に ack のトピックへの送信をブローカーの ACL で許可してください",
  topicMapFix:
    "メッセージが送信先と違うトピックに届いています。変化を ACKTOR_TOPIC_MAP に宣言してください。acker のログにその値があります",
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
    `${holder} がアウトボックスのロックを ${seconds} 秒間保持しています${count > 1 ? `（他に ${count - 1} 件）` : ""}`,
  oldLockFix:
    "そのトランザクションを終了してください: pg_terminate_backend(pid) または rollback prepared '…'。同じ順序キーの呼び出しが待っています",
  deliveriesFound: (messages, acknowledged) =>
    messages === 0
      ? "まだメッセージはありません"
      : `最新 ${messages} 件のうち確認済み ${acknowledged} 件、応答待ちはありません`,
  unanswered: (messages, acknowledged, unanswered, behind, topics) =>
    `最新 ${messages} 件のうち確認済み ${acknowledged} 件、送信後に応答がないもの ${unanswered} 件、その後ろで待つもの ${behind} 件 (${topics})`,
  unheardFix:
    "このブローカーでは、これらのトピックを購読するクライアントがいません。acker を起動するか、ACKTOR_TOPICS、MQTT_URL、ACL を直してください",
  unansweredFix:
    "acker が接続済みで、これらのトピックを受け取り、ack を送信できるか確認してください。ブリッジやマウントポイントの先なら ack の帰り道が必要です: docs/how-to/bridges-and-brokers.md",
  someUnansweredFix: "これらのトピックの受信側を起動するか直してください。publisher は送り続けます",
  noRefused: "ブローカーが拒否するトピックはありません",
  refused: (total, code, messages, topics, topic) =>
    `ブローカーが ${total} 件を拒否しています。${topics} 個のトピックへの ${messages} 件が ${code} (例: ${topic})`,
  refusedFix:
    "理由コードを docs/reference/protocol.md とブローカーのログで確認するか、これらのメッセージを取り消してください",
  forbiddenFix: "publisher のユーザーにこれらのトピックへの送信を ACL で許可するか、メッセージを取り消してください",
  quotaFix: "ブローカーの上限を上げるか、送信を減らしてください",
  topicNameFix: "このブローカーが受け付けるトピックへ送ってください。これらのメッセージは取り消してください",
  noSilent: "すべての宛先が応答しています",
  silent: (destinations, never, seconds, names) =>
    `${destinations} 個の宛先が応答していません。うち ${never} 個は一度も応答せず、最長 ${seconds} 秒 (${names})`,
  silentFix:
    "受信側を起動してください。不在のデバイス宛てのメッセージは待っていて問題ありません。応答しているはずなら ack の診断を見てください",
  noDead: "デッドレターはありません",
  dead: (total, reasons) => `デッドレター ${total} 件: ${reasons}`,
  deadFix: "原因を直してから `acktor dead-letters replay` で再投入するか、破棄してください",
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
