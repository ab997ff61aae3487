/** The parts that know principals, wired: the book and the role that keeps it fresh, the quotas, the gate. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { AnyActor } from "xstate";
import type { PeriodicOutput } from "./janitor/periodic-machine.ts";
import { PeriodicRole, type PeriodicWork } from "./janitor/periodic-role.ts";
import { SenderCounts } from "./principals/count-sent-by.ts";
import { EVERY_MS, PrincipalBook } from "./principals/principal-book.ts";
import { PrincipalGate } from "./principals/principal-gate.ts";
import { MOST_PRINCIPALS, PrincipalTable } from "./principals/read-principals.ts";
import { RequestRates } from "./principals/request-rates.ts";
import { WaitingQuota } from "./principals/waiting-quota.ts";

export interface PrincipalsOptions {
  readonly pool: Pool;
  /** Of the book alone: slow requests of a token that was revoked must not keep the revocation from being read. Stopped here. */
  readonly bookPool: Pool;
  readonly troubles: TroubleDesk;
  readonly control: { followRole(name: string, actor: AnyActor): void };
  /** ACKTOR_API_TOKEN. */
  readonly token: string | null;
  readonly clock: Clock;
}

export interface Principals {
  readonly book: PrincipalBook;
  readonly gate: PrincipalGate;
  readonly quota: WaitingQuota;
  readonly roles: Readonly<Record<string, Role>>;
  /** May be called early; a second call has no effect. */
  stop(): Promise<void>;
}

/** Names come and go: kept for more than are in force at a time. */
const MOST_NAMES = 2 * MOST_PRINCIPALS;

export function makePrincipals({ pool, bookPool, troubles, control, token, clock }: PrincipalsOptions): Principals {
  const book = new PrincipalBook({ source: new PrincipalTable(bookPool), clock });
  const role = new PeriodicRole({ work: new BookRefresh(book), troubles, watch: control });
  return {
    book,
    gate: new PrincipalGate({ book, rates: new RequestRates(clock, MOST_NAMES), token }),
    quota: new WaitingQuota({ counts: new SenderCounts(pool), clock, most: MOST_NAMES }),
    roles: { principals: role },
    async stop() {
      await role.stop();
      await bookPool.stop();
    },
  };
}

/** Keeps the book fresh. */
class BookRefresh implements PeriodicWork {
  readonly name = "principals";
  readonly intervalMs = EVERY_MS;
  readonly #book: PrincipalBook;

  constructor(book: PrincipalBook) {
    this.#book = book;
  }

  async run(): Promise<PeriodicOutput> {
    const failure = await this.#book.refresh();
    // An unreachable database is no failure of this role: its pauses would grow, and a revocation would wait longer.
    if (failure?.kind === "rejected") throw new Error(`${failure.code}: ${failure.message}`);
    return { more: false };
  }
}
