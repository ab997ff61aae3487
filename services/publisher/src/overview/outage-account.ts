/**
 * Counts of the messages of an outage of the broker: one line for people who ask whether a message was lost. The last account
 * is kept until the next outage replaces it.
 *
 * Invariants:
 *  OUTAGE-1. An outage begins when an established connection is lost, and ends with the next CONNECTED; a disconnect by an
 *            operator, and the time before the first connection, are not counted as outages.
 *  OUTAGE-2. The account stays open until the backlog is as small as before, or SETTLING_MS have passed since the end: only
 *            then are its figures complete.
 */
export interface OutageCounts {
  readonly accepted: number;
  readonly acknowledged: number;
  /** PUBLISHes after a message's first. */
  readonly resent: number;
  /** Acks that came again: the message had arrived more than once, and was processed once. */
  readonly double: number;
}

export interface Outage extends OutageCounts {
  /** Milliseconds since 1970. */
  readonly began_at: number;
  /** Null while the broker is away. */
  readonly ended_at: number | null;
  /** False while messages of the outage may still be in flight. */
  readonly settled: boolean;
}

export interface OutageFacts {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly connection: string;
  readonly waiting: number;
  readonly counts: OutageCounts;
}

const SETTLING_MS = 600_000;

interface Open {
  readonly beganAt: number;
  readonly before: OutageCounts;
  readonly waitingBefore: number;
  endedAt: number | null;
}

export class OutageAccount {
  #wasConnected = false;
  #lastCalm: { readonly counts: OutageCounts; readonly waiting: number } | null = null;
  #open: Open | null = null;
  #last: Outage | null = null;

  /** Call it at least once a second, and at each transition of the connection. */
  note(facts: OutageFacts): void {
    const connected = facts.connection === "CONNECTED";
    // OUTAGE-1
    if (facts.connection === "DISCONNECTED") this.#wasConnected = false;
    if (this.#wasConnected && !connected && (this.#open === null || this.#open.endedAt !== null)) this.#begin(facts);
    if (connected) this.#wasConnected = true;
    if (this.#open !== null) this.#carryOn(this.#open, facts, connected);
    if (connected && this.#open === null) this.#lastCalm = { counts: facts.counts, waiting: facts.waiting };
  }

  read(): Outage | null {
    return this.#last;
  }

  #begin(facts: OutageFacts): void {
    const { counts, waiting } = this.#lastCalm ?? facts;
    this.#open = { beganAt: facts.at, before: counts, waitingBefore: waiting, endedAt: null };
  }

  #carryOn(open: Open, { at, counts, waiting }: OutageFacts, connected: boolean): void {
    if (connected) open.endedAt ??= at;
    const ended = open.endedAt;
    // OUTAGE-2
    const calm = ended !== null && at > ended && waiting <= open.waitingBefore;
    const settled = calm || (ended !== null && at - ended > SETTLING_MS);
    this.#last = { began_at: open.beganAt, ended_at: ended, settled, ...difference(counts, open.before) };
    if (settled) this.#open = null;
  }
}

function difference(now: OutageCounts, before: OutageCounts): OutageCounts {
  return {
    accepted: now.accepted - before.accepted,
    acknowledged: now.acknowledged - before.acknowledged,
    resent: now.resent - before.resent,
    double: now.double - before.double,
  };
}
