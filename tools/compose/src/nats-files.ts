/**
 * Who may do what on NATS. Each service says what is its own, and listens to what it needs; subjects as in
 * shared/src/bus/subjects.ts. Replies are allowed once for each request (`allow_responses`).
 */
export interface NatsUser {
  readonly user: string;
  readonly password: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface NatsPasswords {
  readonly publisher: string;
  readonly acker: string;
}

/** Replies come to an inbox; the services API answers the stock `nats` tool. */
const COMMON = ["_INBOX.>", "$SRV.>"];

/** @param prefix ACKTOR_NATS_PREFIX */
export function natsUsers(prefix: string, passwords: NatsPasswords): NatsUser[] {
  const under = (...subjects: readonly string[]): string[] => subjects.map((subject) => `${prefix}.${subject}`);
  return [
    {
      user: "publisher",
      password: passwords.publisher,
      publish: under(
        "inspect.publisher.*.*",
        "inspect.watch",
        "announce.publisher.*",
        "snapshot.*",
        "receipts",
        "cmd.>",
      ),
      subscribe: [...under(">"), ...COMMON],
    },
    {
      user: "acker",
      password: passwords.acker,
      publish: under("inspect.acker.*.*", "announce.acker.*", "audit"),
      subscribe: [...under("inspect.watch", "snapshot.acker", "receipts", "cmd.acker.>"), ...COMMON],
    },
  ];
}

/** The block `authorization` of nats-server's configuration. */
export function authorization(users: readonly NatsUser[]): string {
  const entries = users.map(({ user, password, publish, subscribe }) => {
    const permissions = `publish: ${list(publish)}, subscribe: ${list(subscribe)}, allow_responses: { max: 1, expires: "10s" }`;
    return `    { user: ${quote(user)}, password: ${quote(password)}, permissions: { ${permissions} } }`;
  });
  return `authorization {\n  users = [\n${entries.join("\n")}\n  ]\n}\n`;
}

const list = (subjects: readonly string[]): string => `[${subjects.map(quote).join(", ")}]`;
const quote = (text: string): string => JSON.stringify(text);
