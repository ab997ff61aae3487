/** What the files of this folder share: how a subcommand runs its work and reads its arguments. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Api } from "../api/api.ts";
import type { ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import type { Texts } from "../texts/texts.ts";

export interface Definer {
  readonly program: Command;
  readonly texts: Texts;
  /** Runs a command's work in a session by its global options. */
  readonly run: (command: Command, work: (session: Session) => Promise<ExitCode>) => Promise<void>;
}

/** Work that asks the service. */
export function withApi(work: (session: Session, api: Api) => Promise<ExitCode>) {
  return async (session: Session): Promise<ExitCode> => {
    const api = session.api();
    return api.ok ? session.reading(() => work(session, api.value)) : session.fail(api.failure);
  };
}

/** Examples as the last part of the help. */
export function examples({ texts }: Definer, ...lines: readonly string[]): string {
  return `\n${texts.help.examples}\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

/** A whole number within bounds. */
export function wholeNumber({ texts }: Definer, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(texts.failures.notWhole(min, max));
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An option that takes a duration. @param fallback as a user types it */
export function durationOption(definer: Definer, flags: string, about: string, fallback?: string): Option {
  const parse = duration(definer);
  const option = new Option(flags, about).argParser(parse);
  return fallback === undefined ? option : option.default(parse(fallback), fallback);
}

/** As `durationOption`; `0` means none. */
export function durationOrNone(definer: Definer, flags: string, about: string): Option {
  const parse = duration(definer);
  return new Option(flags, about).argParser((text: string) => (text === "0" ? 0 : parse(text)));
}

/** `250ms`, `30s`, `5m`, `24h`, `7d` → milliseconds, above 0. */
function duration({ texts }: Definer): (text: string) => number {
  return (text) => {
    const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
    const value = Number(digits) * (UNITS[unit] ?? Number.NaN);
    if (value > 0 && value <= 3_650 * 86_400_000) return value;
    throw new InvalidArgumentError(texts.failures.notDuration);
  };
}

/** A number above 0. */
export function positive({ texts }: Definer): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isFinite(value) && value > 0) return value;
    throw new InvalidArgumentError(texts.failures.notPositive);
  };
}
