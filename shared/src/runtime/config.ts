/**
 * Configuration by environment variables, read once at the start.
 *
 * Invariants:
 *  CONFIG-1. Reading never throws, and reports all faults together.
 *  CONFIG-2. No fault text contains a secret's value or the credentials of a URL.
 *  CONFIG-3. An unknown name that begins with ACKTOR_ is a fault: a typo must not silently select a default.
 *  CONFIG-4. An empty value counts as not set, so that `NAME=` in an env file clears a setting.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One variable: how it is read, and its text in the reference. */
export interface Setting<T = unknown> {
  readonly description: string;
  /** Shown in the reference and in fault texts. */
  readonly example: string;
  /** As written in the environment; absent = optional (null) unless `required`. */
  readonly fallback?: string;
  readonly required?: boolean;
  /** May also be given as NAME_FILE; never printed. */
  readonly secret?: boolean;
  /** May also be given as NAME_FILE, because it is long: a certificate. */
  readonly fromFile?: boolean;
  readonly schema: z.ZodType<T, string>;
}

export type Settings = Readonly<Record<string, Setting>>;

/** The values of a table of settings: null where a setting is optional and not set. */
export type ConfigOf<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends { required: true } | { fallback: string }
    ? z.output<S[K]["schema"]>
    : z.output<S[K]["schema"]> | null;
};

export type ConfigResult<C> =
  | { readonly ok: true; readonly config: C }
  | { readonly ok: false; readonly faults: readonly string[] };

type Described<T> = Pick<Setting<T>, "description" | "example" | "schema">;

/** A setting that is null where it is not set. */
export function optional<T>(description: string, example: string, schema: z.ZodType<T, string>): Described<T> {
  return { description, example, schema };
}

export function required<T>(
  description: string,
  example: string,
  schema: z.ZodType<T, string>,
): Described<T> & { readonly required: true } {
  return { description, example, schema, required: true };
}

export function withDefault<T>(
  fallback: string,
  description: string,
  schema: z.ZodType<T, string>,
  example = fallback,
): Described<T> & { readonly fallback: string } {
  return { description, example, schema, fallback };
}

/** Also readable from NAME_FILE, and never printed. */
export function secret<S extends Described<unknown>>(setting: S): S & { readonly secret: true } {
  return { ...setting, secret: true };
}

/** An optional secret of at least 16 characters. */
export function secretText(description: string): Described<string> & { readonly secret: true } {
  return secret(
    optional(
      description,
      "…",
      text((v) => (v.length < 16 ? "is shorter than 16 characters" : null)),
    ),
  );
}

/**
 * Reads every setting of `table`.
 * @param known further names that are accepted (of the other service, of the tools)
 * @param cross faults between settings; it does not receive settings that have a fault themselves
 */
export function readConfig<S extends Settings>(
  table: S,
  env: Environment,
  known: readonly string[] = [],
  cross: (config: Partial<ConfigOf<S>>) => readonly string[] = () => [],
): ConfigResult<ConfigOf<S>> {
  const faults = unknownNames(env, [...namesOf(table), ...known]);
  const config: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const raw = rawValue(name, setting, env);
    if (!raw.ok) {
      // CONFIG-1
      faults.push(raw.fault);
      continue;
    }
    if (raw.value === null) {
      if (setting.required) faults.push(`${name} is required. Example: ${name}=${setting.example}`);
      else config[name] = null;
      continue;
    }
    const parsed = setting.schema.safeParse(raw.value);
    if (parsed.success) config[name] = parsed.data;
    else faults.push(describeFault(name, setting, raw.value, parsed.error));
  }
  faults.push(...cross(config as Partial<ConfigOf<S>>));
  return faults.length > 0 ? { ok: false, faults } : { ok: true, config: config as ConfigOf<S> };
}

/** The variables that a table reads: its names, and NAME_FILE where a setting may be a file. */
export function namesOf(table: Settings): string[] {
  return Object.entries(table).flatMap(([name, setting]) => (mayBeFile(setting) ? [name, `${name}_FILE`] : [name]));
}

/** Whether a setting may be given as NAME_FILE. */
function mayBeFile({ secret = false, fromFile = false }: Setting): boolean {
  return secret || fromFile;
}

type Raw = { readonly ok: true; readonly value: string | null } | { readonly ok: false; readonly fault: string };

function rawValue(name: string, setting: Setting, env: Environment): Raw {
  const given = env[name] || null; // CONFIG-4
  const file = mayBeFile(setting) ? env[`${name}_FILE`] || null : null;
  if (given !== null && file !== null) {
    return { ok: false, fault: `${name} and ${name}_FILE are both set. Keep one of them.` };
  }
  if (file === null) return { ok: true, value: given ?? setting.fallback ?? null };
  try {
    const value = readFileSync(file, "utf8").trim();
    if (value === "") return { ok: false, fault: `${name}_FILE names an empty file: ${file}` };
    return { ok: true, value };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { ok: false, fault: `${name}_FILE cannot be read (${code ?? "unknown error"}): ${file}` };
  }
}

function describeFault(name: string, setting: Setting, raw: string, error: z.ZodError): string {
  const why = error.issues[0]?.message ?? "is not valid";
  // CONFIG-2. A user may have set a private key where a public one belongs.
  const shown = mayBeFile(setting) ? "" : ` (got ${JSON.stringify(withoutCredentials(raw).slice(0, 80))})`;
  return `${name} ${why}${shown}. Example: ${name}=${setting.example}`;
}

/** Also of an invalid URL: the greedy match includes passwords with a slash or an @. */
function withoutCredentials(raw: string): string {
  return raw.replace(/:\/\/.*@/s, "://…@");
}

function unknownNames(env: Environment, names: readonly string[]): string[] {
  const known = new Set(names);
  return Object.keys(env)
    .filter((name) => name.startsWith("ACKTOR_") && !known.has(name))
    .map((name) => {
      // CONFIG-3
      const near = nearest(name, names);
      return `${name} is not a setting of acktor.${near === null ? "" : ` Did you mean ${near}?`}`;
    });
}

function nearest(name: string, names: readonly string[]): string | null {
  let best: { name: string; distance: number } | null = null;
  for (const candidate of names) {
    const distance = editDistance(name, candidate);
    if (distance <= 3 && (best === null || distance < best.distance)) best = { name: candidate, distance };
  }
  return best?.name ?? null;
}

/** Levenshtein distance by one row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `250ms`, `30s`, `5m`, `24h`, `7d`, and `0` → milliseconds, within bounds (milliseconds). */
export function duration(min: number, max: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
    const value =
      text === "0" ? 0 : match === null ? Number.NaN : Number(match[1]) * (UNITS[match[2] ?? ""] ?? Number.NaN);
    if (Number.isNaN(value)) return refuse(context, "is not a duration such as 250ms, 30s, 5m, 24h or 7d");
    if (value < min || value > max) return refuse(context, `must lie between ${spell(min)} and ${spell(max)}`);
    return value;
  });
}

/** Milliseconds in the largest unit that divides them. */
export function spell(ms: number): string {
  const unit = ["d", "h", "m", "s"].find((u) => ms > 0 && ms % (UNITS[u] ?? 1) === 0) ?? "ms";
  return `${ms / (UNITS[unit] ?? 1)}${unit}`;
}

export function integer(min: number, max: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value)) return refuse(context, "is not a whole number");
    if (value < min || value > max) return refuse(context, `must lie between ${min} and ${max}`);
    return value;
  });
}

export function ratio(): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const value = Number(text);
    return value > 0 && value <= 1 ? value : refuse(context, "is not a number above 0 and at most 1");
  });
}

export function choice<const T extends string>(...values: readonly T[]): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const value = values.find((v) => v === text);
    return value ?? refuse(context, `is not one of ${values.join(", ")}`);
  });
}

/** A URL of one of the protocols (`mqtt`, `postgres` …), with a host. */
export function url(...protocols: readonly string[]): z.ZodType<string, string> {
  return z.string().transform((text, context) => {
    if (!URL.canParse(text)) return refuse(context, "is not a URL");
    const parsed = new URL(text);
    if (!protocols.includes(parsed.protocol.slice(0, -1))) {
      return refuse(context, `must begin with ${protocols.map((p) => `${p}://`).join(", ")}`);
    }
    return parsed.hostname === "" && !parsed.searchParams.has("host") ? refuse(context, "names no host") : text;
  });
}

/** A text; `fault` returns what is wrong with it, or null. */
export function text(fault: (value: string) => string | null = () => null): z.ZodType<string, string> {
  return z.string().transform((value, context) => {
    const why = fault(value);
    return why === null ? value : refuse(context, why);
  });
}

/** A text that `read` converts; a string that it returns is what is wrong. */
export function readBy<T extends object>(read: (value: string) => T | string): z.ZodType<T, string> {
  return z.string().transform((value, context) => {
    const made = read(value);
    return typeof made === "string" ? refuse(context, made) : made;
  });
}

/** Comma-separated texts; `fault` returns what is wrong with one, or null. */
export function list(fault: (value: string) => string | null): z.ZodType<readonly string[], string> {
  return z.string().transform((value, context) => {
    const items = value.split(",").map((item) => item.trim());
    for (const item of items) {
      const why = fault(item);
      if (why !== null) return refuse(context, `has an item ${JSON.stringify(item)} that ${why}`);
    }
    return items;
  });
}

/** Comma-separated words of a fixed set. */
export function listOf<T extends string>(...words: readonly T[]): z.ZodType<readonly T[], string> {
  const known: ReadonlySet<string> = new Set(words);
  return list((item) => (known.has(item) ? null : `is not one of ${words.join(", ")}`)) as z.ZodType<
    readonly T[],
    string
  >;
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}
