/**
 * The rights of each user on NATS. Subjects as in shared/src/protocol/subjects.ts. One reply is allowed for each request
 * (`allow_responses`).
 *
 * Invariants:
 *  COMPOSE-1. A user may subscribe only to the subjects that its code needs and to its own inboxes, and publish only what
 *             its code publishes. No user can read another user's replies, nor write into its inbox.
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

/** Verbs of the NATS services API, by which services are listed. */
const SERVICE_VERBS = ["PING", "INFO", "STATS"];

/** First token of a user's inboxes (ACKTOR_NATS_INBOX): no other user can read its replies. COMPOSE-1 */
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
        // Only as a member of the queue, so that no other client of this user receives enqueued messages.
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
