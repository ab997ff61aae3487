/** Settings that may change while the service runs, because they are in a file (NAME_FILE): each `read` reads it again. */
import { type ConfigOf, type Environment, readConfig, type Settings } from "./config.ts";

export type FreshValue<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: string };

/** Reads a text setting again, such as the URL of a server. */
export interface FreshText<Name extends string> {
  read(name: Name): FreshValue<string | null>;
}

export class FreshSettings<S extends Settings> {
  readonly #table: S;
  readonly #env: Environment;

  /** @param env as at the start; only the files are read again */
  constructor(table: S, env: Environment) {
    this.#table = table;
    this.#env = env;
  }

  /** The value now. A fault has no secret in it. */
  read<K extends keyof S & string>(name: K): FreshValue<ConfigOf<S>[K]> {
    const [one, file] = [name, `${name}_FILE`];
    const table = { [name]: this.#table[name] } as Settings;
    const result = readConfig(table, { [one]: this.#env[one], [file]: this.#env[file] });
    if (!result.ok) return { ok: false, fault: result.faults.join(" ") };
    return { ok: true, value: result.config[name] as ConfigOf<S>[K] };
  }
}
