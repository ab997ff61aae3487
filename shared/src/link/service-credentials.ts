/**
 * The credentials of a service, read at each connect: from the files of its settings, and from ACKTOR_MQTT_PASSWORD_COMMAND.
 *
 *  SERVICE_CREDENTIALS-1. A program that made a token is not asked again while nine tenths of its time are left to use.
 */
import type { Clock } from "../runtime/clock.ts";
import { type MadePassword, PasswordCommand } from "../runtime/password-command.ts";
import {
  type CredentialSource,
  type Credentials,
  type CredentialsRead,
  clientCertificateFault,
  tokenExpiry,
} from "./credentials.ts";

/** The settings that it reads. */
export interface CredentialSettings {
  readonly MQTT_USERNAME: string | null;
  readonly MQTT_PASSWORD: string | null;
  readonly MQTT_CA: string | null;
  readonly MQTT_CERT: string | null;
  readonly MQTT_KEY: string | null;
  readonly ACKTOR_MQTT_PASSWORD_COMMAND: readonly string[] | null;
  readonly ACKTOR_MQTT_AUTH_METHOD: string | null;
  readonly ACKTOR_MQTT_ALPN: readonly string[] | null;
}

type FromFile = "MQTT_PASSWORD" | "MQTT_CA" | "MQTT_CERT" | "MQTT_KEY";
const FROM_FILE: readonly FromFile[] = ["MQTT_PASSWORD", "MQTT_CA", "MQTT_CERT", "MQTT_KEY"];

/** Reads one setting again. */
export interface FreshReader {
  read(
    name: FromFile,
  ): { readonly ok: true; readonly value: string | null } | { readonly ok: false; readonly fault: string };
}

/** How much of a token's time is used before the program is asked for another one. */
const USED_SHARE = 0.9;

export class ServiceCredentials implements CredentialSource {
  readonly #settings: CredentialSettings;
  readonly #fresh: FreshReader | null;
  readonly #clock: Pick<Clock, "wallClock">;
  readonly #command: PasswordCommand | null;
  /** The last token of the program, and until when it is used. */
  #made: { readonly password: string; readonly until: number } | null = null;

  /** @param fresh null: always the values of the start */
  constructor(settings: CredentialSettings, fresh: FreshReader | null, clock: Pick<Clock, "wallClock">) {
    const { ACKTOR_MQTT_PASSWORD_COMMAND: words } = settings;
    this.#settings = settings;
    this.#fresh = fresh;
    this.#clock = clock;
    this.#command = words === null ? null : new PasswordCommand(words);
  }

  read(): CredentialsRead | Promise<CredentialsRead> {
    const values: Partial<Record<FromFile, string | null>> = {};
    for (const name of FROM_FILE) {
      const read = this.#fresh?.read(name) ?? { ok: true as const, value: this.#settings[name] };
      if (!read.ok) return unreadable("SETTING_UNREADABLE", read.fault);
      values[name] = read.value;
    }
    if (this.#command === null) return this.#credentials(values, values.MQTT_PASSWORD ?? null);
    const kept = this.#kept();
    if (kept !== null) return this.#credentials(values, kept);
    return this.#command.run().then((made) => this.#fromCommand(values, made));
  }

  cancel(): void {
    this.#command?.stop();
  }

  #fromCommand(values: Partial<Record<FromFile, string | null>>, made: MadePassword): CredentialsRead {
    if (!made.ok) return unreadable("PASSWORD_COMMAND_FAILED", `ACKTOR_MQTT_PASSWORD_COMMAND: ${made.fault}`);
    const now = this.#clock.wallClock();
    const end = tokenExpiry(made.password);
    this.#made = end === null ? null : { password: made.password, until: now + (end - now) * USED_SHARE };
    return this.#credentials(values, made.password);
  }

  /** SERVICE_CREDENTIALS-1 */
  #kept(): string | null {
    return this.#made !== null && this.#clock.wallClock() < this.#made.until ? this.#made.password : null;
  }

  #credentials(values: Partial<Record<FromFile, string | null>>, password: string | null): CredentialsRead {
    const { MQTT_USERNAME: username, ACKTOR_MQTT_AUTH_METHOD: method, ACKTOR_MQTT_ALPN: alpn } = this.#settings;
    const tls = {
      ...(values.MQTT_CA ? { ca: values.MQTT_CA } : {}),
      ...(values.MQTT_CERT ? { cert: values.MQTT_CERT } : {}),
      ...(values.MQTT_KEY ? { key: values.MQTT_KEY } : {}),
      ...(alpn === null ? {} : { alpn }),
    };
    const failure = clientCertificateFault(tls, this.#clock.wallClock());
    if (failure !== null) return { ok: false, failure };
    const credentials: Credentials =
      method === null
        ? { username, password, auth: null, tls }
        : { username, password: null, auth: { method, data: Buffer.from(password ?? "") }, tls };
    return { ok: true, credentials };
  }
}

function unreadable(code: string, message: string): CredentialsRead {
  return { ok: false, failure: { kind: "credentials", code, message, needsOperator: false } };
}
