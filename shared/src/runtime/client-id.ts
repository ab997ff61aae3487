/**
 * The MQTT client id of a service.
 *
 *  CLIENT_ID-1. The default has at most 23 letters and digits: every broker takes that (MQTT-3.1.3-5). It is unique.
 */
import { createHash, randomBytes } from "node:crypto";
import { hostname } from "node:os";

export interface ClientIdParts {
  readonly role: "publisher" | "acker";
  readonly instance: string;
  /** The same after a restart, so that the new process takes over its former connection. */
  readonly stable: boolean;
}

const PLACES = ["role", "host", "instance", "random"] as const;

/** The fault of a template, or null. */
export function clientIdFault(template: string): string | null {
  const unknown = template.match(/\{[^}]*\}/g)?.find((place) => !PLACES.some((known) => place === `{${known}}`));
  if (unknown !== undefined) return `has ${unknown}; known are {role}, {host}, {instance} and {random}`;
  return /^[^\p{Cc}]{1,200}$/u.test(template) ? null : "is longer than 200 characters, or has control characters";
}

/** @param template ACKTOR_CLIENT_ID, or null for the default */
export function clientIdOf(template: string | null, { role, instance, stable }: ClientIdParts): string {
  const random = randomBytes(6).toString("hex");
  // CLIENT_ID-1
  const own = stable ? createHash("sha256").update(instance).digest("hex").slice(0, 12) : random;
  if (template === null) return `acktor${role === "publisher" ? "pub" : role}${own}`;
  const values = { role, host: hostname(), instance, random };
  return template.replace(/\{(role|host|instance|random)\}/g, (_, name: (typeof PLACES)[number]) => values[name]);
}
