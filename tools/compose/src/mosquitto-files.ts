/** mosquitto's password file and access list. */
import { createHash, pbkdf2Sync } from "node:crypto";

/** The number of mosquitto_passwd. Passwords are 192 random bits, which no dictionary contains. */
const ITERATIONS = 101;
const HASH_BYTES = 64;
const SALT_BYTES = 12;

export interface MqttUser {
  readonly name: string;
  readonly password: string;
}

/** A password file as mosquitto_passwd writes it: PBKDF2 with SHA-512. The same input gives the same text. */
export function passwordFile(users: readonly MqttUser[]): string {
  return lines(
    users.map(({ name, password }) => {
      // Derived from the secret, so that a start without changes writes nothing.
      const salt = createHash("sha256").update(`mosquitto ${name} ${password}`).digest().subarray(0, SALT_BYTES);
      const hash = pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, "sha512");
      return `${name}:$7$${ITERATIONS}$${salt.toString("base64")}$${hash.toString("base64")}`;
    }),
  );
}

export interface AccessRules {
  /** Filters of the data topics: the publisher writes them, the acker reads them. */
  readonly topics: readonly string[];
  readonly ackPrefix: string;
  readonly presencePrefix: string;
}

/**
 * The access list: only the acker can write acks, only the publisher messages. mosquitto has no exclusions, so ACKTOR_TOPICS
 * lists the data topics.
 */
export function accessList({ topics, ackPrefix, presencePrefix }: AccessRules): string {
  return lines([
    "user publisher",
    ...topics.map((filter) => `topic write ${filter}`),
    `topic read ${ackPrefix}/+`,
    `topic read ${presencePrefix}/+`,
    "",
    "user acker",
    ...topics.map((filter) => `topic read ${filter}`),
    `topic write ${ackPrefix}/+`,
    `topic write ${presencePrefix}/+`,
    "",
    "user health",
    "topic read $SYS/broker/uptime",
  ]);
}

function lines(texts: readonly string[]): string {
  return `${texts.join("\n")}\n`;
}
