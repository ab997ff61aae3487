/** Failures of the embedded servers: what happened, and how to fix it. */

export interface StartFailure {
  readonly kind:
    | "no-binaries"
    | "port-taken"
    | "not-writable"
    | "disk-full"
    | "wrong-version"
    | "old-data"
    | "in-use"
    | "refused"
    | "stopped";
  readonly message: string;
  readonly fix: string;
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: StartFailure };

export function succeed<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function fail(kind: StartFailure["kind"], message: string, fix: string): Outcome<never> {
  return { ok: false, failure: { kind, message, fix } };
}

/** Two lines for a terminal. */
export function describeFailure(failure: StartFailure): string {
  return `${failure.message}\n  fix: ${failure.fix}`;
}

/** The failure of a file operation below `folder`. An error without a code is a bug and is thrown again. */
export function fileFailure(error: unknown, folder: string): Outcome<never> {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return fail(
      "disk-full",
      `No space is left for ${folder}.`,
      "free some space, or set ACKTOR_DATA_DIR to another disk",
    );
  }
  return fail(
    "not-writable",
    `The data folder ${folder} cannot be written (${code}).`,
    "start as the user that made it, or set ACKTOR_DATA_DIR to another folder",
  );
}
