/** Tokens of principals: 256 random bits behind a prefix that secret scanners can look for. */
import { hash, randomBytes } from "node:crypto";

const PREFIX = "acktor_";

/** `acktor_` and 43 characters of base64url. */
export function makeToken(): string {
  return `${PREFIX}${randomBytes(32).toString("base64url")}`;
}

/** What is stored of a token, and looked up: its SHA-256 in hex. */
export function hashOf(token: string): string {
  return hash("sha256", token, "hex");
}
