/**
 * The role that renews the leases of messages that handlers work on.
 *
 * Invariants:
 *  LEASE-1. Leases are renewed each third of `leaseMs` while a handler works; a crash frees them after `leaseMs`.
 */
import { apart, type BadRows } from "@acktor/shared/db/apart";
import { pause } from "@acktor/shared/runtime/pause";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { Reports } from "../inbox/database-watch.ts";
import type { Inbox, Moved } from "../inbox/inbox.ts";
import type { Lease } from "../inbox/renew-leases.ts";
import type { TaskRegistry } from "./task-registry.ts";

export interface LeaseKeeperParts {
  readonly inbox: Pick<Inbox, "renewLeases">;
  readonly registry: TaskRegistry;
  readonly leaseMs: number;
  readonly troubles: Pick<Reports, "report">;
  /** Takes a row that cannot be renewed; the others are. */
  readonly badRows: BadRows<unknown>;
}

export class LeaseKeeper implements Role {
  readonly #parts: LeaseKeeperParts;

  constructor(parts: LeaseKeeperParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { inbox, registry, leaseMs, troubles, badRows } = this.#parts;
    // LEASE-1
    while (await pause(leaseMs / 3, signal)) {
      const leases = registry.leases();
      if (leases.length === 0) continue;
      const renew = (part: readonly Lease[]) => inbox.renewLeases(part, leaseMs);
      troubles.report("handlers", await apart<Lease, Moved>(leases, renew, badRows));
    }
  }
}
