/**
 * What a connection logs in with. The link asks its source at each connect, so that renewed files need no restart.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { FailureInput } from "../mqtt/failure-input.ts";
import type { EnhancedAuth, TlsOptions } from "../mqtt/transport.ts";

export interface Credentials {
  readonly username: string | null;
  readonly password: string | null;
  readonly auth: EnhancedAuth | null;
  readonly tls: TlsOptions;
}

export type CredentialsRead =
  | { readonly ok: true; readonly credentials: Credentials }
  | { readonly ok: false; readonly failure: FailureInput };

export interface CredentialSource {
  /** What to log in with now. Never rejects. A source that need not wait answers immediately. */
  read(): CredentialsRead | Promise<CredentialsRead>;
  /** Ends a reading that is under way: it fails. */
  cancel?(): void;
}

/** Credentials that never change. */
export class FixedCredentials implements CredentialSource {
  readonly #credentials: Credentials;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  read(): CredentialsRead {
    return { ok: true, credentials: this.#credentials };
  }
}

/** The fault of a client certificate that a broker would refuse, or null. @param now milliseconds since 1970 */
export function clientCertificateFault({ cert, key }: TlsOptions, now: number): FailureInput | null {
  if (cert === undefined) return null;
  const read = certificateOf(cert);
  if (read === null) return null;
  const until = Date.parse(read.validTo);
  if (now > until) {
    return certificateFault("CLIENT_CERTIFICATE_EXPIRED", `your client certificate expired on ${dayOf(until)}`);
  }
  const from = Date.parse(read.validFrom);
  if (now < from) {
    const when = `your client certificate is not valid before ${dayOf(from)}; is the clock of this machine right?`;
    return certificateFault("CLIENT_CERTIFICATE_NOT_YET_VALID", when);
  }
  if (key === undefined || fits(read, key)) return null;
  // A renewal writes two files: the next attempt finds both.
  const message = "MQTT_CERT and MQTT_KEY do not belong together";
  return { kind: "credentials", code: "CLIENT_CERTIFICATE_MISMATCH", message, needsOperator: false };
}

/** The end of a JSON Web Token (`exp`), in milliseconds since 1970; null for any other password. It is not verified. */
export function tokenExpiry(password: string | null): number | null {
  const [, body, signature] = password?.split(".", 4) ?? [];
  if (body === undefined || signature === undefined || body.length > MOST_TOKEN) return null;
  try {
    const { exp } = JSON.parse(Buffer.from(body, "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" && Number.isFinite(exp) ? exp * 1_000 : null;
  } catch {
    return null;
  }
}

const MOST_TOKEN = 64 * 1_024;

/** What expires: the password, or the token of enhanced authentication. */
export function expiryOf({ password, auth }: Credentials): number | null {
  return tokenExpiry(auth === null ? password : auth.data.toString());
}

function certificateFault(code: string, what: string): FailureInput {
  const message = `${what}; renew MQTT_CERT and MQTT_KEY: files are read again at the next attempt`;
  return { kind: "credentials", code, message, needsOperator: true };
}

/** The client's own, which comes first; null where it cannot be read: Node reports that. */
function certificateOf(pem: string | Buffer): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function fits(certificate: X509Certificate, key: string | Buffer): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ").concat(" UTC");
}
