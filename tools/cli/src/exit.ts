/** How a command ends: exit codes that scripts can tell apart, and failures as values. */

import { jsonLine, printable } from "@acktor/shared/runtime/printable";

export const EXIT = {
  done: 0,
  /** What was asked about, or asked for, failed. */
  failed: 1,
  /** The command was called in a way that cannot work. */
  usage: 2,
  /** A service, a database or a broker is away. */
  away: 3,
  timeout: 4,
  /** Ctrl-C; as shells count it, 128 and the signal's number. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes of failures that are the command's own; the reference lists them. */
export const CLI_CODES = {
  service_away: "nothing answers at the address",
  timed_out: "the service did not answer in 10 s",
  not_acktor: "what answers is not acktor, or another version of it",
  bad_url: "the address is no http or https address, or holds a user or a password",
  bad_token_file: "the token file cannot be read, or is empty",
  two_tokens: "ACKTOR_API_TOKEN and ACKTOR_API_TOKEN_FILE are both set",
  bad_config: "a setting that the command needs is missing or wrong",
  wrong_usage: "a command, an option or an argument is unknown, missing or wrong",
  bad_options: "options that exclude each other",
  not_confirmed: "nobody is there to confirm a change, and --yes was not given",
  too_large: "the content is larger than 262,144 bytes",
  cannot_write: "the recording exists already, or its folder cannot be written",
  cannot_read: "the recording cannot be read",
  not_a_recording: "a line of the file has not the form of a recording; the line and the field are named",
} as const;

/** Why a command did not do what it was asked for. */
export interface CliFailure {
  readonly exit: 1 | 2 | 3 | 4;
  /** For programs: of `CLI_CODES`; of the service, as in docs/reference/errors.md; of `migrate`, a `MigrateFailure["kind"]`. */
  readonly code: string;
  /** What happened; one line. */
  readonly message: string;
  /** What to do about it; one line. */
  readonly fix: string;
}

/** A failure as standard error shows it: one line of JSON, or words with the fix below them. */
export function describeFailure({ exit, code, message, fix }: CliFailure, json: boolean, fixWord: string): string {
  if (json) return jsonLine({ error: { code, message, fix, exit } });
  return fix === "" ? printable(message) : `${printable(message)}\n  ${fixWord}: ${printable(fix)}`;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: CliFailure };
