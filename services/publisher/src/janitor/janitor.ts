/** Keeps the outbox tidy: one periodic role for each piece of work. */
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { PeriodicRole, type PeriodicWork, type RoleWatch } from "./periodic-role.ts";

export class Janitor {
  readonly roles: readonly PeriodicRole[];

  constructor(works: readonly PeriodicWork[], troubles: TroubleDesk, watch: RoleWatch) {
    this.roles = works.map((work) => new PeriodicRole({ work, troubles, watch }));
  }

  /** May be called early; a second call has no effect. */
  async stop(): Promise<void> {
    await Promise.all(this.roles.map((role) => role.stop()));
  }
}
