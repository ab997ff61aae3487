/**
 * Secrets, made once and kept: one file each in a folder that only `init` mounts.
 *
 * Invariants:
 *  SECRET_STORE-1. An existing secret never changes, so that a second start uses the passwords that the databases know.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** 192 bits; base64url needs no escapes in a URL. */
const SECRET_BYTES = 24;

export class SecretStore {
  readonly #folder: string;
  /** Names of the secrets made in this run. */
  readonly made: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** The secret of that name; made if it does not exist. SECRET_STORE-1 */
  secret(name: string): string {
    const file = path.join(this.#folder, name);
    if (existsSync(file)) return readFileSync(file, "utf8");
    const value = randomBytes(SECRET_BYTES).toString("base64url");
    // Written to a new file first: an incomplete password would be kept permanently.
    writeFileSync(`${file}.new`, value, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    this.made.push(name);
    return value;
  }
}
