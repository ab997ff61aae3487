/** The states that PostgreSQL can be in, in the reader's language. */
import { type DatabaseKind, stateOfKind } from "../runtime/database-state.ts";
import type { Language } from "./language.ts";

export interface DatabaseWords {
  /** A sentence without its full stop. */
  readonly says: string;
  readonly remedy: string;
}

const JAPANESE: Readonly<Record<DatabaseKind, DatabaseWords>> = {
  ok: {
    says: "PostgreSQL は正常です",
    remedy: "対応は不要です。",
  },
  unknown: {
    says: "PostgreSQL にまだ接続していません",
    remedy: "サービスの起動を待ってください。",
  },
  unreachable: {
    says: "PostgreSQL に接続できません",
    remedy: "PostgreSQL を起動するか、DATABASE_URL のホスト、ポート、TLS を直してください。",
  },
  slow: {
    says: "PostgreSQL が時間内に応答しません",
    remedy: "pg_stat_activity でロックと負荷を確認してください。",
  },
  starting: {
    says: "PostgreSQL は起動中、またはクラッシュからの復旧中です",
    remedy: "そのままお待ちください。長く続く場合は PostgreSQL のログを確認してください。",
  },
  stopping: {
    says: "PostgreSQL は停止処理中です",
    remedy: "PostgreSQL を再起動してください。",
  },
  standby: {
    says: "PostgreSQL はスタンバイのため読み取り専用です",
    remedy:
      "DATABASE_URL にプライマリを指定するか、全サーバーを並べて target_session_attrs=read-write を付けてください。",
  },
  read_only: {
    says: "PostgreSQL は読み取り専用です",
    remedy:
      "ロール、データベース、サーバーの default_transaction_read_only を戻してください。マネージドサービスではディスクが満杯になると設定されます。",
  },
  full_disk: {
    says: "PostgreSQL のディスクが満杯です",
    remedy: "空き容量を作ってください。acktor は自動で再開します。",
  },
  out_of_resources: {
    says: "PostgreSQL のメモリーなどの資源が不足しています",
    remedy: "資源を増やすか、設定値を下げてください。不足した資源は PostgreSQL のログにあります。",
  },
  too_many_connections: {
    says: "PostgreSQL の接続数が上限に達しています",
    remedy: "max_connections またはロールの接続数の上限を上げるか、ほかのプログラムの接続を減らしてください。",
  },
  login: {
    says: "PostgreSQL がログインを拒否しています",
    remedy: "DATABASE_URL のユーザー名とパスワード、または pg_hba.conf を直してください。",
  },
  missing_database: {
    says: "DATABASE_URL のデータベースが存在しません",
    remedy: "データベースを作成するか、DATABASE_URL の名前を直してください。",
  },
  schema: {
    says: "acktor のスキーマがないか、不完全です",
    remedy:
      "復元中であれば完了を待ってください。それ以外はスキーマの所有者のロールで一度 ACKTOR_MIGRATE=on で起動してください。",
  },
};

export function databaseWords(kind: DatabaseKind, language: Language): DatabaseWords {
  return language === "ja" ? JAPANESE[kind] : stateOfKind(kind);
}
