/** How a command ends: exit codes for scripts, and failures as values. */

import { jsonLine, printable } from "@acktor/shared/runtime/printable";

export const EXIT = {
  done: 0,
  /** The requested action failed. */
  failed: 1,
  /** Wrong arguments or settings. */
  usage: 2,
  /** A service, a database or a broker is unreachable. */
  away: 3,
  timeout: 4,
  /** Ctrl-C: 128 plus the signal's number, as shells count. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes of the command's own failures; the reference lists them. */
export const CLI_CODES = {
  service_away: "the service is unreachable",
  timed_out: "the service did not answer within 10 s",
  not_acktor: "the server at the address is not acktor, or is another version",
  bad_url: "the address is not an http or https address, or contains a user or a password",
  bad_token_file: "the token file cannot be read, or is empty",
  two_tokens: "ACKTOR_API_TOKEN and ACKTOR_API_TOKEN_FILE are both set",
  bad_config: "a required setting is missing or wrong",
  wrong_usage: "a command, an option or an argument is unknown, missing or wrong",
  bad_options: "options that exclude each other",
  not_confirmed: "the change needs a confirmation: there is no terminal, and no --yes",
  too_large: "the content is larger than 262,144 bytes",
  cannot_write: "the recording exists already, or its folder cannot be written",
  cannot_read: "the recording cannot be read",
  not_a_recording: "a line of the file does not belong to a recording; the message names line and field",
} as const;

/** Why a command failed. */
export interface CliFailure {
  readonly exit: 1 | 2 | 3 | 4;
  /** For programs: of `CLI_CODES`; of the service, as in docs/reference/errors.md; of `migrate`, a `MigrateFailure["kind"]`. */
  readonly code: string;
  /** What happened; one line. */
  readonly message: string;
  /** The remedy; one line. */
  readonly fix: string;
}

/** A failure for standard error: one line of JSON, or the message with the fix below it. */
export function describeFailure({ exit, code, message, fix }: CliFailure, json: boolean, fixWord: string): string {
  if (json) return jsonLine({ error: { code, message, fix, exit } });
  return fix === "" ? printable(message) : `${printable(message)}\n  ${fixWord}: ${printable(fix)}`;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: CliFailure };
