/**
 * Judges a simulated history while it happens. It checks I1 to I5 and I7 (docs/explanation/reliability.md):
 *  - moves are legal; a message has at most one effect; no message is acknowledged without its effect;
 *  - first effects of a key are in commit order; an attempt is counted only if it was written;
 *  - the un-acked messages fit into the window, those to destinations that are not proven into three quarters;
 *  - a message that was answered with 201 exists, and every message reaches its expected final state.
 * It also checks handlers:
 *  - while the database works, no handler starts without a lease, and a stop leaves no lease;
 *  - a message is rejected for crashes only if its handler kills its acker, after the maximum number of crashes;
 *  - the message of a slow handler is not published again.
 */
import { MOST_CRASHES } from "@acktor/acker/inbox/receive-messages";
import type { InboxTable, InboxWitness } from "./inbox-table.ts";
import type { OutboxTable, OutboxWatch } from "./outbox-table.ts";
import { LEASE_MS } from "./sim-acker.ts";
import type { SimDatabase } from "./sim-database.ts";
import { FAILING, type HandlerWitness, type Work, workOf } from "./sim-handler.ts";
import type { SimPlan } from "./sim-plan.ts";
import { WINDOW } from "./sim-publisher.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

/** What the judge reads. */
export interface JudgedWorld {
  readonly plan: SimPlan;
  readonly time: VirtualTime;
  readonly database: SimDatabase;
  readonly outbox: OutboxTable;
  readonly inbox: InboxTable;
}

/** Destinations that are not proven leave a quarter of the window to the others. */
const MOST_TRIALS = (WINDOW * 3) / 4;
/** After this time without a fault the database counts as healthy: every lease was renewed or has ended. */
const CALM_MS = 2 * LEASE_MS;

export class SimJudge implements OutboxWatch, InboxWitness, HandlerWitness {
  readonly #keepsTrace: boolean;
  readonly #published = new Map<string, number>();
  readonly #begun = new Map<string, number>();
  readonly #kills = new Map<string, number>();
  readonly #effects = new Set<string>();
  readonly accepted = new Set<string>();
  readonly trace: string[] = [];
  /** The first finding. Written only by `broken`. */
  #verdict: string | null = null;
  #world: JudgedWorld | null = null;

  constructor(keepsTrace: boolean) {
    this.#keepsTrace = keepsTrace;
  }

  get verdict(): string | null {
    return this.#verdict;
  }

  /** Sets the world to judge. */
  watch(world: JudgedWorld): void {
    this.#world = world;
  }

  broken(why: string): void {
    this.#verdict ??= `${this.#named(why)} (at ${this.#time().toFixed(1)} ms)`;
    this.note(`BROKEN: ${why}`);
  }

  note(line: string): void {
    if (this.#keepsTrace) this.trace.push(`${this.#time().toFixed(1).padStart(9)} ms  ${this.#named(line)}`);
  }

  written(topic: string, payload: string | Buffer): void {
    if (!topic.startsWith("sim/")) {
      this.note(`written ${topic} ${/"status":"\w+"/.exec(payload.toString())?.[0] ?? ""}`);
      return;
    }
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(payload.toString())?.[0] ?? "";
    this.#published.set(id, this.published(id) + 1);
    this.note(`PUBLISH ${id}`);
  }

  published(id: string): number {
    return this.#published.get(id) ?? 0;
  }

  hasEffect(id: string): boolean {
    return this.#world?.inbox.isProcessed(id) ?? false;
  }

  answered(id: string): void {
    this.accepted.add(id);
    this.note(`201 for ${id}`);
    if (!this.#world?.outbox.rows.has(id)) this.broken(`${id} was answered with 201 and does not exist`);
  }

  processed(id: string, content: string, written: readonly unknown[] | null): void {
    this.note(`processed ${id}`);
    if (this.#effects.has(id)) this.broken(`${id} has a second effect`);
    this.#effects.add(id);
    const row = this.#world?.outbox.rows.get(id);
    if (row === undefined || row.message.payload !== content) this.broken(`${id} has an effect that was not sent`);
    this.#checkWritten(id, workOf(content), written);
    this.#checkOrder(id);
  }

  began(process: SimProcess, id: string): number {
    this.note(`handler of ${id} begins in ${process.name}`);
    const before = this.#begun.get(id) ?? 0;
    this.#begun.set(id, before + 1);
    if (!this.#hasOrMayLackLease(process, id)) this.broken(`the handler of ${id} begins without a lease`);
    return before;
  }

  ended(process: SimProcess, id: string): void {
    if (!this.#hasOrMayLackLease(process, id)) this.broken(`the handler of ${id} has lost its lease while it worked`);
  }

  killed(process: SimProcess, id: string): void {
    if (!process.alive) return;
    this.note(`${process.name} dies in the handler of ${id}`);
    const kills = (this.#kills.get(id) ?? 0) + 1;
    this.#kills.set(id, kills);
    // One more for each fault: the commit of a count may be lost with its process.
    const most = MOST_CRASHES + (this.#world?.plan.faults.length ?? 0);
    if (kills > most) this.broken(`${id} has killed ${kills} processes`);
  }

  /** After each step. */
  check(unacked: number, trials: number): void {
    if (unacked > WINDOW) this.broken(`${unacked} messages un-acked, the window is ${WINDOW}`);
    if (trials > MOST_TRIALS) this.broken(`${trials} messages un-acked to destinations that are not proven`);
  }

  /** An acker has stopped cleanly. */
  stopped(process: SimProcess): void {
    const { database, inbox } = this.#world ?? {};
    const left = inbox?.leasesOf(process.name) ?? 0;
    if (left > 0 && (database?.calmForMs() ?? 0) > CALM_MS)
      this.broken(`${process.name} has stopped and left ${left} leases`);
  }

  checkEnd(): void {
    for (const { message, state } of this.#world?.outbox.rows.values() ?? []) {
      const work = this.#world?.plan.handling === "row" ? "answers" : workOf(message.payload);
      const wanted = FAILING.has(work) ? "failed" : "acknowledged";
      if (state !== wanted && !(state === "failed" && this.#mayBeBlamed(work)))
        this.broken(`${message.messageId} (${work}) is ${state} in the end, not ${wanted}`);
      this.#checkPatience(message.messageId, work);
    }
  }

  /** Whether a process has a lease on a message that it handles, or may lack the lease because the database had a fault. */
  #hasOrMayLackLease(process: SimProcess, id: string): boolean {
    const { inbox, database } = this.#world ?? {};
    const isHealthy = database !== undefined && database.calmForMs() > CALM_MS;
    return !isHealthy || inbox?.isLeasedTo(process.name, id) === true;
  }

  /** A slow handler around which three processes died, killed by others, is not told from one that killed them. */
  #mayBeBlamed(work: Work): boolean {
    let kills = 0;
    for (const count of this.#kills.values()) kills += count;
    return work === "is slow" && kills >= MOST_CRASHES;
  }

  /** Without a fault the message of a slow handler is published once. */
  #checkPatience(id: string, work: Work): void {
    const plan = this.#world?.plan;
    const isQuiet = plan?.faults.length === 0 && this.#kills.size === 0;
    if (isQuiet && work === "is slow" && this.published(id) > 1) {
      this.broken(`${id} was published ${this.published(id)} times while its handler worked`);
    }
  }

  #checkWritten(id: string, work: Work, written: readonly unknown[] | null): void {
    const writes = work.startsWith("writes") || work === "runs a transaction";
    if (this.#world?.plan.handling === "row" || !writes) {
      if (written !== null) this.broken(`${id} has an effect that its handler did not return`);
    } else if (written?.[0] !== id) this.broken(`${id} is processed without the effect of its handler`);
  }

  #checkOrder(id: string): void {
    const rows = this.#world?.outbox.rows;
    const row = rows?.get(id);
    const key = row?.message.orderingKey ?? null;
    if (rows === undefined || row === undefined || key === null) return;
    for (const other of rows.values()) {
      const isEarlier = other.message.orderingKey === key && other.seq < row.seq;
      if (isEarlier && other.dueAt !== null && !this.#effects.has(other.message.messageId)) {
        this.broken(`${id} had its effect before ${other.message.messageId} of the same key`);
      }
    }
  }

  #time(): number {
    return this.#world?.time.now ?? 0;
  }

  /** Ids differ from run to run; the numbers of messages do not. */
  #named(text: string): string {
    return text.replace(/[0-9a-f-]{36}/g, (id) => {
      const payload = this.#world?.outbox.rows.get(id)?.message.payload ?? id;
      return payload.replace(/^message (\d+) .*/, "#$1");
    });
  }
}
