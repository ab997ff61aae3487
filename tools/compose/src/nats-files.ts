/**
 * Who may do what on NATS. Each service says what is its own, and listens to what it needs; subjects as in
 * shared/src/protocol/subjects.ts. Replies are allowed once for each request (`allow_responses`).
 *
 * Invariant COMPOSE-1: a user hears the subjects that its code subscribes to and its own inboxes, says what its code says,
 * and nothing else: no user can read another one's replies, nor write into its inbox.
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

/** Verbs of the NATS services API, which lists a service; a service listens for all of them, and for its own. */
const SERVICE_VERBS = ["PING", "INFO", "STATS"];

/** First word of the inboxes of a user (ACKTOR_NATS_INBOX): what is answered to one user, no other one can hear. */
export function inboxOf(user: string): string {
  return `_INBOX_${user}`;
}

function own(user: string): string[] {
  const verbs = SERVICE_VERBS.flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.acktor-${user}`,
    `$SRV.${verb}.acktor-${user}.*`,
  ]);
  return [`${inboxOf(user)}.>`, ...verbs];
}

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
        "snapshot.publisher",
        "snapshot.acker",
        "receipts",
        "cmd.publisher.*.>",
        "cmd.acker.*.>",
      ),
      subscribe: [
        ...under("inspect.watch", "inspect.*.*.*", "announce.*.*", "snapshot.publisher", "cmd.publisher.*.>", "wake"),
        // As a member of the queue alone, so that no other client of this user hears what is enqueued.
        ...under("enqueue enqueue", "audit audit"),
        ...own("publisher"),
      ],
    },
    {
      user: "acker",
      password: passwords.acker,
      publish: under("inspect.acker.*.*", "announce.acker.*", "audit"),
      subscribe: [...under("inspect.watch", "snapshot.acker", "receipts", "cmd.acker.*.>"), ...own("acker")],
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
