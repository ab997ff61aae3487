/** Servers that some tests need and a machine may lack. */
import { existsSync } from "node:fs";
import path from "node:path";

/** Debian installs servers outside an ordinary user's PATH. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin"];

/** Where distributions install PostgreSQL 15. */
const FOLDERS_OF_POSTGRES_15 = [
  "/usr/lib/postgresql/15/bin",
  "/usr/pgsql-15/bin",
  "/opt/homebrew/opt/postgresql@15/bin",
];

export const OPTIONAL_SERVERS = ["mosquitto", "nats-server", "postgres15", "chromium", "pgbouncer"] as const;
export type OptionalServer = (typeof OPTIONAL_SERVERS)[number];

/** The server's program, or null where it is not installed. */
export function findServer(server: OptionalServer): string | null {
  const [name, folders] = server === "postgres15" ? ["postgres", FOLDERS_OF_POSTGRES_15] : [server, searchPath()];
  const found = folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
  return found ?? null;
}

function searchPath(): string[] {
  return [...(process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== ""), ...MORE_FOLDERS];
}

/** True when ACKTOR_REQUIRE names the server: its absence then fails the tests instead of skipping them. */
export function isRequired(server: OptionalServer): boolean {
  return requiredNames().includes(server);
}

/** The names in ACKTOR_REQUIRE, including unknown ones. */
export function requiredNames(): string[] {
  const names = (process.env["ACKTOR_REQUIRE"] ?? "").split(",").map((name) => name.trim());
  return names.filter((name) => name !== "");
}
