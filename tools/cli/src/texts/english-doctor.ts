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
