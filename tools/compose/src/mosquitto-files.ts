/** What mosquitto reads: passwords, and who may do what. */
import { createHash, pbkdf2Sync } from "node:crypto";

/** mosquitto's own number, of mosquitto_passwd; the passwords are 192 random bits, which no table has. */
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
      // Of the secret itself, so that a start which changes nothing writes nothing new.
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
 * The access list. Nobody but the acker can write an ack, nobody but the publisher a message.
 * mosquitto has no "everything but": so the data topics are named, once, in ACKTOR_TOPICS.
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
