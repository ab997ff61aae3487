/** How a command ends: exit codes that scripts can tell apart, and failures as values. */

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

/** Why a command did not do what it was asked for. */
export interface CliFailure {
  readonly exit: 1 | 2 | 3 | 4;
  /** For programs: as in docs/reference/errors.md, or one of the command's own. */
  readonly code: string;
  /** What happened; one line. */
  readonly message: string;
  /** What to do about it; one line. */
  readonly fix: string;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: CliFailure };
