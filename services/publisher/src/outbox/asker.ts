/** Who asks for a change, as the audit keeps it. */
import type { Param } from "@acktor/shared/db/pool";

export interface Asker {
  /** The principal, authenticated. */
  readonly who: string;
  /** The name that the caller gave for itself, unproven. */
  readonly said?: string | null | undefined;
  /** The address from which it asked, where it came by HTTP. */
  readonly origin?: string | null;
}

/** The parameters of an INSERT into the audit: who, said, origin. */
export function askerParams({ who, said = null, origin = null }: Asker): [Param, Param, Param] {
  return [who, said, origin];
}
