/** What viewers may see of the contexts of the machines that both services run (clean-context.ts, invariant 1). */

/** Without `policy`, which is configuration, and `now` and `random`, which are functions. */
export const LINK_SHOWN = [
  "at",
  "broker",
  "clientId",
  "version",
  "attempt",
  "failedConnects",
  "failure",
  "limits",
  "refused",
  "will",
  "wait",
  "opened",
] as const;

export const SUPERVISOR_SHOWN = ["roles", "failures", "fault"] as const;
