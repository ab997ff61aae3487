/** Routes of the publisher without its gate: every request is that of one principal. */
import { LOCAL, type Principal } from "@acktor/publisher/principals/principal";
import { hold } from "@acktor/publisher/principals/principal-gate";
import { WaitingQuota } from "@acktor/publisher/principals/waiting-quota";
import type { Gate } from "@acktor/shared/runtime/http-guard";

/** A gate that admits everything. */
export function openGate(principal: Principal = LOCAL): Gate {
  return {
    admit: (request) => {
      hold(request, principal);
      return null;
    },
  };
}

/** Quotas that count nothing. */
export function noQuota(): WaitingQuota {
  return new WaitingQuota({
    counts: { count: async () => ({ ok: true, value: 0 }) },
    clock: { now: () => 0 },
    most: 10,
  });
}
