/** Faults of certificates and keys in the settings, and between them and their addresses. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseDatabaseUrl } from "./database-url.ts";

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** A setting is absent where it could not be read. */
export interface TlsSettings {
  readonly MQTT_URL?: string;
  readonly MQTT_CA?: string | null;
  readonly MQTT_CERT?: string | null;
  readonly MQTT_KEY?: string | null;
  readonly MQTT_PASSWORD?: string | null;
  readonly ACKTOR_MQTT_PASSWORD_COMMAND?: readonly string[] | null;
  readonly ACKTOR_MQTT_AUTH_METHOD?: string | null;
  readonly ACKTOR_MQTT_VERSION?: string;
  readonly NATS_URL?: string | null;
  readonly NATS_CA?: string | null;
}

/** A certificate for an unencrypted connection is a fault: it would never be used. */
export function tlsFaults({ MQTT_URL, MQTT_CA, MQTT_CERT, MQTT_KEY, NATS_URL, NATS_CA }: TlsSettings): string[] {
  const faults: string[] = [];
  if (MQTT_URL !== undefined && !/^(mqtts|wss):/i.test(MQTT_URL) && (MQTT_CA || MQTT_CERT)) {
    faults.push("MQTT_CA and MQTT_CERT need an encrypted MQTT_URL. Example: MQTT_URL=mqtts://127.0.0.1:8883");
  }
  if (MQTT_CERT !== undefined && MQTT_KEY !== undefined && (MQTT_CERT === null) !== (MQTT_KEY === null)) {
    faults.push("MQTT_CERT and MQTT_KEY belong together. Set both, or neither.");
  }
  if (NATS_URL !== undefined && NATS_CA && !/^tls:/i.test(NATS_URL ?? "")) {
    faults.push("NATS_CA needs an encrypted NATS_URL. Example: NATS_URL=tls://127.0.0.1:4222");
  }
  return faults;
}

/** Faults between the settings by which a service logs in at the broker. */
export function loginFaults(settings: TlsSettings): string[] {
  const { MQTT_PASSWORD: password, ACKTOR_MQTT_PASSWORD_COMMAND: command, ACKTOR_MQTT_AUTH_METHOD: method } = settings;
  const faults: string[] = [];
  if (password && command) {
    faults.push("MQTT_PASSWORD and ACKTOR_MQTT_PASSWORD_COMMAND are both set. Keep one of them.");
  }
  if (method && !password && !command) {
    faults.push("ACKTOR_MQTT_AUTH_METHOD needs a token. Example: MQTT_PASSWORD_FILE=/run/secrets/broker-token");
  }
  if (method && settings.ACKTOR_MQTT_VERSION === "3.1.1") {
    faults.push("ACKTOR_MQTT_AUTH_METHOD needs MQTT 5, but ACKTOR_MQTT_VERSION is 3.1.1. Keep one of them.");
  }
  return faults;
}

/** The fault of one or more certificates in PEM, or null. */
export function certificateFault(pem: string): string | null {
  try {
    const found = pem.match(CERTIFICATES) ?? [];
    for (const one of found) new X509Certificate(one);
    return found.length > 0 ? null : "is not a certificate in PEM";
  } catch {
    return "is not a certificate in PEM";
  }
}

/** The fault of a private key in PEM, or null. */
export function privateKeyFault(pem: string): string | null {
  try {
    createPrivateKey(pem);
    return null;
  } catch {
    return "is not a private key in PEM without a passphrase";
  }
}

/** What is wrong with DATABASE_URL, the files that it names included; or null. */
export function databaseUrlFault(text: string): string | null {
  const read = parseDatabaseUrl(text);
  if (!read.ok) return read.fault;
  const { ca = null, cert = null, key = null } = read.address.tls ?? {};
  const files = [
    ["sslrootcert", ca === "system" ? null : ca, certificateFault],
    ["sslcert", cert, certificateFault],
    ["sslkey", key, privateKeyFault],
  ] as const;
  for (const [name, file, faultOf] of files) {
    const fault = file === null ? null : fileFault(file, faultOf);
    if (fault !== null) return `has a file of ${name} that ${fault}`;
  }
  return null;
}

function fileFault(file: string, faultOf: (pem: string) => string | null): string | null {
  try {
    return faultOf(readFileSync(file, "utf8"));
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`;
  }
}
