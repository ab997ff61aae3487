/**
 * Secrets that are made once and kept: one file each in a folder that nobody but `init` mounts.
 *
 * Invariant: what is there is never changed, so that a second start finds the passwords that the databases know.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** 192 bits; as base64url they stand in a URL as they are. */
const SECRET_BYTES = 24;

export class SecretStore {
  readonly #folder: string;
  /** Names that this run has made. */
  readonly made: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** The secret of that name, made when it is not there. */
  secret(name: string): string {
    const file = path.join(this.#folder, name);
    if (existsSync(file)) return readFileSync(file, "utf8");
    const value = randomBytes(SECRET_BYTES).toString("base64url");
    // Whole or not at all: half a password would be kept for ever.
    writeFileSync(`${file}.new`, value, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    this.made.push(name);
    return value;
  }
}
