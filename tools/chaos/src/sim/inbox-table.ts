/**
 * The inbox in memory. It behaves as the SQL statements of `services/acker/src/inbox` do: each verb is atomic.
 *
 * Invariants:
 *  SIM_INBOX-1. Each committed effect is reported once. A refused verb reports nothing and changes nothing.
 */
import type { BatchLease } from "@acktor/acker/inbox/batch-lease";
import type { Finished } from "@acktor/acker/inbox/finish-messages";
import type { Moved } from "@acktor/acker/inbox/inbox";
import {
  firstReceipt,
  type Incoming,
  MOST_CRASHES,
  type Receipt,
  type ReceiveOptions,
} from "@acktor/acker/inbox/receive-messages";
import type { Lease } from "@acktor/acker/inbox/renew-leases";
import { Refused } from "./sim-database.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface InboxRow {
  readonly checksum: string;
  readonly content: string;
  status: Receipt["status"];
  reason: string | null;
  deliveries: number;
  owner: string | null;
  leaseUntil: number | null;
  crashes: number;
  handling: boolean;
  attemptToken: string | null;
}

/** Receives for the judge what the statements do. */
export interface InboxWitness {
  /** A message is processed; `written`: the values of its handler's effect, or null. */
  processed(messageId: string, content: string, written: readonly unknown[] | null): void;
}

interface Batch {
  readonly ids: readonly string[];
  readonly until: number;
}

const ALREADY_THERE = "23505";
const LEASE_LOST = "ACK01";
/** The first value of an effect that PostgreSQL refuses. */
export const REFUSED_EFFECT = "refused";
const CHECK_VIOLATION = "23514";

export class InboxTable {
  readonly rows = new Map<string, InboxRow>();
  readonly #time: VirtualTime;
  readonly #witness: InboxWitness;
  /** By run and slot. */
  readonly #batches = new Map<string, Batch>();

  constructor(time: VirtualTime, witness: InboxWitness) {
    this.#time = time;
    this.#witness = witness;
  }

  isProcessed(id: string): boolean {
    return this.rows.get(id)?.status === "processed";
  }

  /** Whether a run has an unexpired lease on a message: on its row or on its batch. */
  isLeasedTo(run: string, id: string): boolean {
    const row = this.rows.get(id);
    if (row !== undefined) return row.status === "received" && runOf(row.owner) === run && this.#isLive(row.leaseUntil);
    return this.#batchesOf(id).some(([name, { until }]) => runOf(name) === run && this.#isLive(until));
  }

  /** The number of messages and batches that are leased to a run. */
  leasesOf(run: string): number {
    const rows = [...this.rows.values()].filter((row) => row.status === "received" && row.leaseUntil !== null);
    const batches = [...this.#batches.keys()].filter((name) => runOf(name) === run);
    return rows.filter(({ owner }) => runOf(owner) === run).length + batches.length;
  }

  receive(batch: readonly Incoming[], options: ReceiveOptions): Receipt[] {
    const isOwn = (name: string): boolean =>
      name === `${options.batch?.run ?? runOf(options.owner)}/${options.batch?.slot ?? ""}`;
    return batch.map((item) => {
      const { messageId, checksum } = item.message;
      const others = options.born === "processed" ? [] : this.#batchesOf(messageId).filter(([name]) => !isOwn(name));
      if (others.some(([, { until }]) => this.#isLive(until))) {
        const receipt = { messageId, checksum, deliveries: item.deliveries + 1, reason: null, crashes: 0 };
        return { ...receipt, status: "received", mine: false, inBatch: true };
      }
      const run = runOf(options.owner);
      const isSuspect = others.some(([name, { until }]) => !this.#isLive(until) && runOf(name) !== run);
      const row = this.rows.get(messageId);
      if (row === undefined) return this.#insert(item, options, isSuspect ? 1 : 0);
      this.#update(row, item, options);
      const { deliveries, status, reason, crashes } = row;
      const mine = status === "received" && row.owner === options.owner;
      return { messageId, deliveries, status, reason, checksum: row.checksum, mine, crashes, inBatch: false };
    });
  }

  /** Inserts new messages as processed: all of them or none. */
  receiveProcessed(
    batch: readonly Incoming[],
    effects: readonly (readonly unknown[])[],
    ending: BatchLease | null,
  ): void {
    // SIM_INBOX-1
    if (batch.some(({ message }) => this.rows.has(message.messageId))) throw new Refused(ALREADY_THERE, "inbox_pkey");
    checkEffects(effects);
    for (const [at, item] of batch.entries()) {
      this.#insert(item, { born: "processed", owner: "", leaseMs: 0, batch: null }, 0, effects[at] ?? null);
    }
    if (ending !== null) this.endBatch(ending);
  }

  beginBatch({ run, slot, ids }: BatchLease, leaseMs: number): boolean {
    const name = `${run}/${slot}`;
    const isKnown = ids.some((id) => this.rows.has(id) || this.#batchesOf(id).some(([other]) => other !== name));
    if (isKnown) return false;
    this.#batches.set(name, { ids, until: this.#time.now + leaseMs });
    return true;
  }

  endBatch({ run, slot, ids }: BatchLease): void {
    const name = `${run}/${slot}`;
    if (this.#batches.get(name)?.ids[0] === ids[0]) this.#batches.delete(name);
  }

  leaveBatches(run: string): void {
    for (const name of this.#batches.keys()) if (runOf(name) === run) this.#batches.delete(name);
  }

  markHandling(lease: Lease): Moved[] {
    const row = this.#held(lease);
    if (row === null) return [];
    row.handling = true;
    return [{ messageId: lease.messageId }];
  }

  renewLeases(leases: readonly Lease[], leaseMs: number): Moved[] {
    return leases.flatMap((lease) => {
      const row = this.#held(lease);
      if (row === null) return [];
      row.leaseUntil = this.#time.now + leaseMs;
      return [{ messageId: lease.messageId }];
    });
  }

  finish(batch: readonly Finished[]): Moved[] {
    return batch.flatMap(({ messageId, owner, status, reason }) => {
      const row = this.rows.get(messageId);
      if (row === undefined || row.owner !== owner) return [];
      if (row.status === "received") this.#end(messageId, row, status, reason, null);
      return row.status === status ? [{ messageId }] : [];
    });
  }

  /** Marks messages as processed, with their effects: all of them or none. */
  commitEffects(items: readonly { readonly lease: Lease; readonly values: readonly unknown[] }[]): void {
    const isHeld = ({ lease: { messageId, owner } }: (typeof items)[number]): boolean => {
      const row = this.rows.get(messageId);
      return row?.status === "received" && row.owner === owner;
    };
    // SIM_INBOX-1
    if (!items.every(isHeld)) throw new Refused(LEASE_LOST, null);
    checkEffects(items.map(({ values }) => values));
    for (const { lease, values } of items) {
      const row = this.rows.get(lease.messageId);
      if (row !== undefined) this.#end(lease.messageId, row, "processed", null, values);
    }
  }

  findProcessed(leases: readonly Lease[]): Moved[] {
    return leases
      .filter(({ messageId, owner }) => this.isProcessed(messageId) && this.rows.get(messageId)?.owner === owner)
      .map(({ messageId }) => ({ messageId }));
  }

  #insert(
    item: Incoming,
    options: ReceiveOptions,
    crashes: number,
    written: readonly unknown[] | null = null,
  ): Receipt {
    const { messageId, checksum, content, attemptToken } = item.message;
    const isReceived = options.born === "received";
    this.rows.set(messageId, {
      ...{ checksum, content, attemptToken, crashes, reason: null, handling: false },
      status: options.born,
      deliveries: item.deliveries,
      owner: isReceived ? options.owner : null,
      leaseUntil: isReceived ? this.#time.now + options.leaseMs : null,
    });
    if (!isReceived) this.#witness.processed(messageId, content, written);
    return { ...firstReceipt(item, options.born), crashes };
  }

  /** The `on conflict do update` of receive-messages.ts. */
  #update(row: InboxRow, { message, deliveries }: Incoming, { born, owner, leaseMs }: ReceiveOptions): void {
    if (row.checksum !== message.checksum) return;
    row.deliveries += deliveries;
    const isFree = row.leaseUntil === null || row.leaseUntil <= this.#time.now;
    const isReplay =
      row.status === "rejected" &&
      born === "received" &&
      message.retryCount === 0 &&
      message.attemptToken !== row.attemptToken;
    const isTaken = (row.status === "received" && (isFree || row.owner === owner)) || isReplay;
    const isCrashed =
      row.status === "received" &&
      born === "received" &&
      row.leaseUntil !== null &&
      row.leaseUntil <= this.#time.now &&
      runOf(row.owner) !== runOf(owner);
    if (isCrashed) row.crashes += row.crashes === 0 || row.handling ? 1 : 0;
    else if (isReplay) row.crashes = 0;
    if (!isTaken) return;
    row.handling = false;
    row.owner = owner;
    row.attemptToken = message.attemptToken;
    if (isCrashed && row.crashes >= MOST_CRASHES) {
      row.status = "rejected";
      row.leaseUntil = null;
      row.reason = `its handler crashed the acker ${MOST_CRASHES} times`;
      return;
    }
    row.status = born;
    row.reason = null;
    row.leaseUntil = born === "received" ? this.#time.now + leaseMs : null;
    if (born === "processed") this.#witness.processed(message.messageId, row.content, null);
  }

  #end(
    id: string,
    row: InboxRow,
    status: InboxRow["status"],
    reason: string | null,
    written: readonly unknown[] | null,
  ) {
    row.status = status;
    row.reason = reason;
    row.leaseUntil = null;
    row.handling = false;
    if (status === "processed") this.#witness.processed(id, row.content, written);
  }

  #held({ messageId, owner }: Lease): InboxRow | null {
    const row = this.rows.get(messageId);
    const isHeld = row !== undefined && row.owner === owner && row.status === "received" && row.leaseUntil !== null;
    return isHeld ? row : null;
  }

  #isLive(until: number | null): boolean {
    return until !== null && until > this.#time.now;
  }

  #batchesOf(id: string): [string, Batch][] {
    return [...this.#batches].filter(([, { ids }]) => ids.includes(id));
  }
}

/** A run's name before the last slash: owners are `<run>/<batch>`, names of batches `<run>/<slot>`. */
function runOf(name: string | null): string {
  return name?.replace(/\/[^/]*$/, "") ?? "";
}

function checkEffects(effects: readonly (readonly unknown[])[]): void {
  if (effects.some(([first]) => first === REFUSED_EFFECT)) throw new Refused(CHECK_VIOLATION, "effect_allowed");
}
