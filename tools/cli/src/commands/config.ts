/**
 * `acktor config print` and `check`: what a service would read from this environment.
 *
 * Invariants:
 *  MASK-1. No secret is printed, nor a URL's user, password, query and fragment.
 */
import type { Setting } from "@acktor/shared/runtime/config";
import type { z } from "zod";
import type { Environment } from "../environment.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { configOutput } from "../outputs.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { renderTable } from "../terminal/table.ts";
import { readServiceConfig, SERVICES, type ServiceName } from "./services.ts";

type Shown = z.infer<typeof configOutput>["services"][number]["settings"][string];

export async function print(session: Session, service: ServiceName | null): Promise<ExitCode> {
  const services = await Promise.all(
    (service === null ? SERVICES : [service]).map(async (name) => {
      const { settings } = await readServiceConfig(name, session.env);
      const shown = Object.entries(settings).map(([key, setting]) => [key, show(key, setting, session.env)] as const);
      return { service: name, settings: Object.fromEntries(shown) };
    }),
  );
  return session.answer({ services }, () => {
    const { config: t } = session.texts;
    const table = ({ service: title, settings }: (typeof services)[number]): string => {
      const rows = Object.entries(settings).map(([key, { value, from }]) => [
        key,
        t.from[from],
        printable(value ?? "-"),
      ]);
      return renderTable(
        { title, head: [t.setting, t.origin, session.texts.status.value], rows },
        session.terminal.columns,
      );
    };
    return services.map(table).join("\n\n");
  });
}

/** A setting without its secrets. */
export function show(name: string, setting: Setting, env: Environment): Shown {
  const given = env[name] || null;
  // MASK-1: a setting that may be a file is a key or a certificate, and users may confuse the two.
  const hidden = setting.secret === true || setting.fromFile === true;
  if (hidden && given === null && env[`${name}_FILE`]) return { value: "***", from: "file" };
  if (given !== null) return { value: hidden ? maskSecret(name, given) : maskUrl(given), from: "environment" };
  if (setting.fallback !== undefined) return { value: setting.fallback, from: "default" };
  return { value: null, from: "unset" };
}

/** Secrets that are addresses, and their schemes. */
const ADDRESSES: Readonly<Record<string, RegExp>> = {
  DATABASE_URL: /^postgres(ql)?:\/\//,
  NATS_URL: /^(nats|tls):\/\//,
};

/** A server's host is useful; of any other secret nothing is shown. */
function maskSecret(name: string, value: string): string {
  return ADDRESSES[name]?.test(value) ? maskUrl(value) : "***";
}

/** A URL without user, password, query and fragment; `***` if it looks like a URL and cannot be parsed. */
export function maskUrl(value: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return value;
  if (!URL.canParse(value)) return "***";
  const { protocol, host, pathname, username, password, search } = new URL(value);
  const user = username === "" && password === "" ? "" : "***@";
  return `${protocol}//${user}${host}${pathname}${search === "" ? "" : "?***"}`;
}

export async function check(session: Session, service: ServiceName | null): Promise<ExitCode> {
  const services = await Promise.all(
    (service === null ? SERVICES : [service]).map(async (name) => {
      const { result } = await readServiceConfig(name, session.env);
      return { service: name, faults: result.ok ? [] : [...result.faults] };
    }),
  );
  const ok = services.every(({ faults }) => faults.length === 0);
  const text = (): string =>
    services
      .map(({ service: name, faults }) =>
        [session.texts.config.verdict(name, faults.length), ...faults.map((f) => `  - ${printable(f)}`)].join("\n"),
      )
      .join("\n");
  return session.answer({ ok, services }, text, ok ? EXIT.done : EXIT.failed);
}
