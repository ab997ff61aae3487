/** The doctor's findings and remedies in English. */
import type { DatabaseKind } from "@acktor/shared/runtime/database-state";
import { databaseWords } from "@acktor/shared/texts/database-words";

export const englishDoctor = {
  configOk: "no faults",
  configRunning: "DATABASE_URL and MQTT_URL are not both set; checking the running services instead",
  configMissing: (names: string) => `not checked: ${names} is not set, and no \`acktor start\` was found`,
  configMissingFix: "run the doctor with the environment of the services",
  configFix: "correct these settings; docs/reference/configuration.md lists all of them",
  serviceStateFix: "after a pause run `acktor resume`; otherwise check the service's log",
  serviceLinkFix: "see the check `broker`; once the cause is fixed, `acktor link reset` retries immediately",
  postgresFound: (version: string, ms: string) => `PostgreSQL ${version}, round trip ${ms} ms`,
  postgresAwayFix: "start PostgreSQL, or correct host, port and TLS in DATABASE_URL",
  postgresOldFix: (oldest: number, newest: number) => `use PostgreSQL ${oldest} to ${newest}`,
  postgresNewFix: (newest: number) => `acktor is tested up to PostgreSQL ${newest}; please report any problem`,
  databaseState: (kind: DatabaseKind) => databaseWords(kind, "en"),
  oldSnapshot: (pid: number, who: string, seconds: number) =>
    `the transaction of ${who} (pid ${pid}) is ${seconds} s old; rows that finished since then cannot be removed`,
  oldSnapshotFix: "end it, or select pg_terminate_backend(<pid>); claims slow down while it lasts",
  heldWal: (slot: string, mib: number, active: boolean) =>
    `the replication slot ${slot} (${active ? "active" : "not in use"}) holds ${mib} MiB of WAL`,
  heldWalFix: "start its standby or subscriber, or drop the slot: it fills the disk of PostgreSQL",
  manyIds: (millions: number) =>
    `${millions} million transactions since the last freeze; at 2,100 million writes are refused`,
  manyIdsFix:
    "run vacuum freeze as a superuser; end old transactions, prepared transactions and unused replication slots first",
  encodingFix: "use a database with the encoding UTF8: characters that this one lacks are refused (400)",
  durabilityFix: "set fsync=on and synchronous_commit=on: 201 promises that a crash loses nothing",
  clockFound: (ms: number) =>
    `PostgreSQL's clock is ${Math.abs(ms)} ms ${ms < 0 ? "behind" : "ahead of"} this machine's clock`,
  clockFix: "synchronize the clocks of both machines with NTP",
  migrated: (count: number) => `${count} applied, none missing`,
  pending: (names: string) => `not applied: ${names}`,
  pendingFix: "run `acktor migrate`, or start the service once without ACKTOR_MIGRATE=off",
  noInbox: "this database has no inbox",
  noInboxFix: "correct if the acker uses another database; otherwise run `acktor migrate`",
  noOutbox: "this database has no outbox",
  outbox: (id: string, prefix: string) => `outbox ${id}, acks under ${prefix}`,
  prefixFix: (known: string, configured: string) =>
    `the outbox was last used with ${known}, but ACKTOR_ACK_PREFIX is ${configured} here; use the same value everywhere`,
  brokerFound: (broker: string, version: string, ms: string) => `${broker}, ${version}, PUBLISH to PUBACK ${ms} ms`,
  brokerElsewhere: (broker: string, why: string) =>
    `${broker}: the service is connected, but the doctor cannot connect from here (${why})`,
  brokerFixes: {
    network: "start the broker, or correct MQTT_URL; check the firewall",
    authentication: "correct MQTT_USERNAME and MQTT_PASSWORD, the broker's access list, or the certificate",
    timeout: "the server at this address does not speak MQTT; correct port and scheme in MQTT_URL",
    protocol: "correct the scheme in MQTT_URL (mqtt, mqtts, ws, wss), or set ACKTOR_MQTT_VERSION to auto",
    application: "check the broker's log",
  },
  nothingRefused: "the broker permits the will and every filter",
  refusedFeatureFix:
    "permit it in the broker's access list, or switch it off (ACKTOR_PRESENCE=off); the service works without it",
  brokerSlowConnect: (broker: string, seconds: string) =>
    `${broker}: the connection took ${seconds} s, longer than ACKTOR_CONNECT_TIMEOUT`,
  brokerSlowConnectFix: (setting: string) =>
    `the line or the broker is slow: set ACKTOR_CONNECT_TIMEOUT=${setting}, or check the broker's load and its authentication back end`,
  brokerMuteFix:
    "the server accepts connections and does not answer CONNECT: check the broker's load and log; if it is no MQTT broker, or expects TLS, it does not speak MQTT on this port: correct port and scheme in MQTT_URL",
  brokerSays: (banner: string) => `the server says “${banner}”`,
  clientCertificateFix:
    "renew the client certificate (MQTT_CERT, MQTT_KEY), and sign it by a CA that the broker trusts",
  serverCertificateFix:
    "set MQTT_CA to the CA of the broker's certificate, and MQTT_URL to a name in it; renew it if it expired",
  clientIdFix: "the broker refuses the client id: set ACKTOR_CLIENT_ID to one that it accepts",
  otherServerFix: "set MQTT_URL to the server that the broker names",
  subscriptionFix: "allow this user to subscribe to this filter in the broker's access list",
  certificateFound: (day: string) => `MQTT_CERT is valid until ${day}`,
  certificateExpired: (day: string) => `MQTT_CERT expired on ${day}`,
  certificateNotYet: (day: string) => `MQTT_CERT is not valid before ${day}`,
  acksElsewhere: (acks: number, found: string, prefix: string) =>
    `${acks} acks for messages of this outbox arrive under ${found}; the publisher listens under ${prefix}`,
  acksElsewhereFix:
    "a bridge or a mountpoint renames the acks' topics: give them a way back, or set ACKTOR_ACK_TOPIC_FOR: docs/how-to/bridges-and-brokers.md",
  ackersFound: (online: number) => `${online} ackers online`,
  ackersLost: (online: number, lost: number, names: string) => `${online} ackers online, ${lost} lost (${names})`,
  ackersLostFix:
    "start them again; to forget one that does not return, publish an empty retained message to its presence topic",
  noAckers: "no acker has announced itself",
  noAckersFix:
    "start an acker at this broker; receivers without acktor's code, and ackers behind RabbitMQ's wildcards, work without an announcement",
  ackerAccess: (filters: number) => `an acker may connect, with its will and ${filters} filters`,
  ackerAccessFix: "correct what the reason names: credentials, access list of the acker's filters, or ACKTOR_CLIENT_ID",
  presenceRefused: (why: string) => `the announcement of an acker is refused: ${why}`,
  presenceFix: "allow ackers to publish, retained, under the presence prefix, or set ACKTOR_PRESENCE=off",
  nothingCounted: "the service has counted no fault of acks and topics",
  unsignedFix: "give publishers and ackers the same ACKTOR_ACK_SECRET, or each other's public keys",
  mismatchFix:
    "acks name another topic than the message was sent to: declare bridges and mountpoints in the acker's ACKTOR_TOPIC_MAP",
  malformedAckFix:
    "see the publisher's log for topic and reason; docs/how-to/acker-without-our-code.md lists what counts as an ack",
  retainedFix:
    "publish acks without the retain flag, and remove those that are kept: docs/how-to/bridges-and-brokers.md",
  ackRefusedFix: "allow the acker to publish under the ack prefix in the broker's access list",
  topicMapFix:
    "messages arrive on another topic than they were sent to: declare the change in ACKTOR_TOPIC_MAP; the acker's log names it",
  brokerSlowFix: "a slow broker limits everything; check its load, and set_tcp_nodelay true in mosquitto",
  publishFailed: (broker: string, version: string, why: string) => `${broker}, ${version}, PUBLISH failed: ${why}`,
  publishFix: "allow this user to publish to acktor/doctor/#, or check the broker's log",
  limitsUntold: "MQTT 3.1.1: the broker does not report its limits",
  limitsUnknown: "the connection ended before the limits could be read",
  qosFix: "use a broker that supports QoS 1; without QoS 1 nothing is acknowledged",
  packetFix: "raise the broker's maximum packet size to 400,000 bytes, or send less content",
  sessionsDirect: "each connection has a session of its own; statements are prepared",
  sessionsPooled: "behind a pooler: each statement in a transaction of its own",
  sessionsFix:
    "set ACKTOR_DATABASE_POOLER to the pool_mode of the pooler; these settings of acktor are lost on the way",
  oldLock: (holder: string, seconds: number, count: number) =>
    `${holder} has held locks of the outbox for ${seconds} s${count > 1 ? `, and ${count - 1} others` : ""}`,
  oldLockFix:
    "end that transaction: pg_terminate_backend(pid), or rollback prepared '…'; callers of its ordering keys wait for it",
  deliveriesFound: (messages: number, acknowledged: number) =>
    messages === 0
      ? "no messages yet"
      : `of the newest ${messages} messages ${acknowledged} are acknowledged, none waits for an answer`,
  unanswered: (messages: number, acknowledged: number, unanswered: number, behind: number, topics: string) =>
    `of the newest ${messages} messages ${acknowledged} are acknowledged, ${unanswered} were published and have no answer, ${behind} wait behind them (${topics})`,
  unheardFix:
    "no client subscribes to these topics at this broker: start the acker, or correct its ACKTOR_TOPICS, MQTT_URL and access list",
  unansweredFix:
    "check that an acker is connected, takes these topics, and may publish acks; behind a bridge or a mountpoint acks need a way back: docs/how-to/bridges-and-brokers.md",
  someUnansweredFix: "start or repair the receivers of these topics; the publisher continues to send",
  noRefused: "the broker refuses no topic",
  refused: (total: number, code: string, messages: number, topics: number, topic: string) =>
    `the broker refuses ${total} messages; ${messages} to ${topics} topics with ${code}, as to ${topic}`,
  refusedFix: "see the reason code in docs/reference/protocol.md and the broker's log, or cancel these messages",
  forbiddenFix:
    "allow the publisher's user to publish to these topics in the broker's access list, or cancel the messages",
  quotaFix: "raise the broker's quota, or send less",
  topicNameFix: "send to topics that this broker accepts; cancel the messages",
  noSilent: "every destination answers",
  silent: (destinations: number, never: number, seconds: number, names: string) =>
    `${destinations} destinations do not answer, ${never} of them never did, the longest for ${seconds} s (${names})`,
  silentFix:
    "start their receivers; messages to devices that are away wait without harm. For receivers that do answer, see the checks of acks",
  noDead: "no dead letters",
  dead: (total: number, reasons: string) => `${total} dead letters: ${reasons}`,
  deadFix: "fix the cause, then run `acktor dead-letters replay`, or discard them",
  questionFix: "run the doctor as the role of the services; `acktor migrate` grants what it reads",
  noForeign: (prefix: string) => `no foreign acks under ${prefix}`,
  foreign: (prefix: string, heard: number, counted: number) =>
    `${prefix} receives acks for messages that are not in this outbox (heard ${heard}, counted by the publisher ${counted})`,
  foreignFix:
    "give each outbox that shares a broker its own ACKTOR_ACK_PREFIX; a few are normal after a restore or after the retention period",
  natsFound: (version: string, ms: string) => `NATS ${version}, round trip ${ms} ms`,
  natsFix: "start NATS, or correct NATS_URL; without NATS each service works alone",
  natsLoginFix: "correct user, password or token in NATS_URL",
  diskFound: (folder: string, mib: string) => `${mib} MiB free at ${folder}`,
  diskUnknown: "the free space cannot be read",
  diskFix: "free some space, or set ACKTOR_DATA_DIR to another disk",
};
