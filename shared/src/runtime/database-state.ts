/**
 * The state of PostgreSQL behind a failed statement: which one, in a sentence, with its remedy. Answers, logs, `/readyz`, the
 * metric and the doctor all take it from here.
 *
 * Invariants:
 *  DATABASE_STATE-1. A failure that one statement or one row can have caused is no state of the database.
 *
 * Codes: PostgreSQL, appendix A; others are the driver's and the pool's.
 */
export interface DatabaseState {
  readonly kind: DatabaseKind;
  /** English; without a full stop. */
  readonly says: string;
  readonly remedy: string;
}

/** The part of a failure that is needed here. */
export interface StateFailure {
  readonly code: string;
  readonly message: string;
  readonly constraint?: string | null;
}

/** Each kind with its sentence and its remedy. Everything but `ok` refuses writes. */
const WORDS = {
  ok: ["PostgreSQL works", "Nothing to do."],
  unknown: ["PostgreSQL has not been asked yet", "Wait for the start of the service."],
  unreachable: ["PostgreSQL cannot be reached", "Start PostgreSQL, or correct host, port and TLS in DATABASE_URL."],
  slow: ["PostgreSQL does not answer in time", "Look for locks and for load in pg_stat_activity."],
  starting: ["PostgreSQL is starting, or recovering from a crash", "Wait; if it lasts, read the log of PostgreSQL."],
  stopping: ["PostgreSQL is shutting down", "Start it again."],
  standby: [
    "PostgreSQL is a standby, which is read-only",
    "Set DATABASE_URL to the primary, or list all servers and add target_session_attrs=read-write.",
  ],
  read_only: [
    "PostgreSQL is read-only",
    "Reset default_transaction_read_only of the role, the database or the server; managed servers set it when their disk is full.",
  ],
  full_disk: ["The disk of PostgreSQL is full", "Make room; acktor then continues automatically."],
  out_of_resources: [
    "PostgreSQL is out of memory or of another resource",
    "Give it more, or lower its settings; its log names the resource.",
  ],
  too_many_connections: [
    "PostgreSQL has no free connection",
    "Raise max_connections or the role's connection limit, or end connections of other programs.",
  ],
  login: ["PostgreSQL refuses the login", "Correct user and password in DATABASE_URL, or pg_hba.conf."],
  missing_database: [
    "The database of DATABASE_URL does not exist",
    "Create the database, or correct its name in DATABASE_URL.",
  ],
  schema: [
    "The schema of acktor is missing or incomplete",
    "If it is being restored, wait; otherwise start once with ACKTOR_MIGRATE=on and the role of the schema's owner.",
  ],
} as const satisfies Readonly<Record<string, readonly [says: string, remedy: string]>>;

export type DatabaseKind = keyof typeof WORDS;

export const DATABASE_KINDS = Object.keys(WORDS) as readonly DatabaseKind[];

/** 57P01 to 57P03 arrive with any of three texts; those of other languages count as a start. */
const SHUTTING_DOWN = /shut(ting)? ?down|terminating connection/i;

const OF_A_POOLER = /server_login_retry|query_wait_timeout|no more connections|cannot connect|pgbouncer/i;

const KINDS: readonly (readonly [codes: RegExp, kind: DatabaseKind])[] = [
  [/^25006$/, "read_only"],
  [/^NO_PRIMARY$/, "standby"],
  [/^53100$/, "full_disk"],
  [/^53300$/, "too_many_connections"],
  [/^53...$/, "out_of_resources"],
  [/^57P01$/, "stopping"],
  [/^57P0[235]$/, "starting"],
  [/^(28...|08P01|SASL_\w+)$/, "login"],
  [/^(3D000|57P04)$/, "missing_database"],
  [/^(3F000|42P01|42883|42704|42703)$/, "schema"],
  [
    /^(08...|E(CONN\w*|HOST\w+|NET\w+|NOTFOUND|AI_AGAIN|TIMEDOUT|PIPE)|CONNECTION_\w+|CONNECT_TIMEOUT|NO_TLS)$/,
    "unreachable",
  ],
  [/^(DEADLINE|QUEUE_FULL|ABANDONED)$/, "slow"],
];

/** The state of a kind. */
export function stateOfKind(kind: DatabaseKind): DatabaseState {
  const [says, remedy] = WORDS[kind];
  return { kind, says, remedy };
}

/** DATABASE_STATE-1. @returns null for a failure of a single statement or row */
export function stateOf({ code, message, constraint = "" }: StateFailure): DatabaseState | null {
  // PgBouncer has one code for all that it says.
  if (code === "08P01" && OF_A_POOLER.test(message)) return stateOfKind("unreachable");
  if (code === "57P03" && SHUTTING_DOWN.test(message)) return stateOfKind("stopping");
  // A row without a partition: all constraints of acktor have names.
  if (code === "23514" && constraint === null) return stateOfKind("schema");
  const kind = KINDS.find(([codes]) => codes.test(code))?.[1];
  return kind === undefined ? null : stateOfKind(kind);
}
