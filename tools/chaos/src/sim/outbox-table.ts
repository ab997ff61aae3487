/**
 * The outbox in memory. It behaves as the SQL statements of `services/publisher/src/outbox` do, with their guards: each verb
 * is atomic.
 *
 * Invariants:
 *  SIM_OUTBOX-1. An illegal move, a counted attempt that was not written, and an acknowledgment without an effect are
 *                reported immediately. The model has its own list of legal moves.
 */
import { BIRTH_GRACE_MS, NO_SUBSCRIBER } from "@acktor/publisher/outbox/held-rows";
import type {
  AckRecord,
  AttemptRecord,
  Inserted,
  LeasedMessage,
  NewMessage,
  Rejection,
  Release,
} from "@acktor/publisher/outbox/outbox";
import type { VirtualTime } from "./virtual-time.ts";

type State = "pending" | "sent" | "acknowledged" | "failed";

export interface OutboxRow {
  readonly message: NewMessage;
  readonly seq: number;
  readonly createdAt: number;
  state: State;
  dueAt: number | null;
  owner: string | null;
  token: number;
  sentToken: number | null;
  attempts: number;
  rejected: boolean;
  parked: boolean;
  /** The last PUBACK said that no session is there. */
  noSession: boolean;
}

const LEGAL = ["pending>sent", "pending>acknowledged", "sent>acknowledged", "pending>failed", "sent>failed"];

export interface OutboxWatch {
  /** PUBLISHes of this message that were written so far. */
  published(id: string): number;
  hasEffect(id: string): boolean;
  broken(why: string): void;
}

export class OutboxTable {
  readonly rows = new Map<string, OutboxRow>();
  readonly #time: VirtualTime;
  readonly #watch: OutboxWatch;
  #seq = 0;

  constructor(time: VirtualTime, watch: OutboxWatch) {
    this.#time = time;
    this.#watch = watch;
  }

  live(): number {
    let count = 0;
    for (const row of this.rows.values()) if (row.dueAt !== null) count++;
    return count;
  }

  insert(messages: readonly NewMessage[], owner: string, leaseMs: number): Inserted[] {
    const now = this.#time.now;
    return messages.map((message) => {
      // The statement is safe to repeat after a commit whose answer was lost.
      if (!this.rows.has(message.messageId)) {
        const leased = message.leased;
        this.rows.set(message.messageId, {
          message,
          seq: this.#seq++,
          createdAt: now,
          state: "pending",
          dueAt: leased ? now + leaseMs : now,
          owner: leased ? owner : null,
          token: leased ? 1 : 0,
          sentToken: null,
          attempts: 0,
          rejected: false,
          parked: false,
          noSession: false,
        });
      }
      return { kind: "inserted", messageId: message.messageId, createdAt: now / 1_000, state: "pending" };
    });
  }

  claim(owner: string, limit: number, leaseMs: number): LeasedMessage[] {
    const now = this.#time.now;
    const heads = new Map<string, OutboxRow>();
    const due: OutboxRow[] = [];
    for (const row of this.rows.values()) {
      if (row.dueAt === null) continue;
      const key = row.message.orderingKey;
      if (key !== null) {
        const head = heads.get(key);
        if (head === undefined || row.seq < head.seq) heads.set(key, row);
      } else if (row.dueAt <= now && !row.parked) due.push(row);
    }
    for (const head of heads.values()) if (head.dueAt !== null && head.dueAt <= now && !head.parked) due.push(head);
    const taken = due.sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0)).slice(0, limit);
    return taken.map((row) => this.#lease(row, owner, leaseMs));
  }

  /** Leases the oldest parked message of so many destinations, of an ordering key only its oldest message. */
  probe(owner: string, leaseMs: number, limit: number): LeasedMessage[] {
    const oldest = new Map<string, OutboxRow>();
    const heads = new Map<string, number>();
    for (const { dueAt, seq, message } of this.rows.values())
      if (dueAt !== null && message.orderingKey !== null)
        heads.set(message.orderingKey, Math.min(seq, heads.get(message.orderingKey) ?? seq));
    for (const row of this.rows.values()) {
      if (row.message.orderingKey !== null && heads.get(row.message.orderingKey) !== row.seq) continue;
      if (row.dueAt === null || !row.parked || (row.owner !== null && row.dueAt > this.#time.now)) continue;
      const known = oldest.get(row.message.topic);
      if (known === undefined || row.seq < known.seq) oldest.set(row.message.topic, row);
    }
    return [...oldest.values()].slice(0, limit).map((row) => this.#lease(row, owner, leaseMs));
  }

  setParked(topic: string, ids: readonly string[] | null): void {
    for (const row of this.rows.values()) {
      if (row.dueAt === null || row.message.topic !== topic) continue;
      if (ids === null) row.parked = false;
      else if (ids.includes(row.message.messageId)) {
        row.parked = true;
        row.owner = null;
      }
    }
  }

  /** @returns the ids of the written rows */
  markSent(records: readonly AttemptRecord[]): { messageId: string }[] {
    return records.flatMap((record) => {
      const row = this.#owned(record.messageId, record.leaseToken);
      if (row === null || (row.rejected && row.sentToken === row.token)) return [];
      if (row.sentToken !== row.token) this.#setAttempts(row, row.attempts + 1);
      row.sentToken = row.token;
      row.rejected = false;
      if (record.outcome === "acked") this.#move(row, "sent");
      row.noSession = record.reasonCode === NO_SUBSCRIBER;
      row.dueAt = this.#time.now + record.nextInMs;
      row.owner = null;
      return [{ messageId: record.messageId }];
    });
  }

  fail(rows: readonly { readonly messageId: string; readonly leaseToken: string }[]): void {
    for (const { messageId, leaseToken } of rows) {
      const row = this.#owned(messageId, leaseToken);
      if (row !== null) this.#move(row, "failed");
    }
  }

  release(rows: readonly Release[]): void {
    for (const { messageId, leaseToken, dueInMs } of rows) {
      const row = this.#owned(messageId, leaseToken);
      if (row === null || row.sentToken === row.token) continue;
      row.dueAt = this.#time.now + dueInMs;
      row.owner = null;
    }
  }

  /** Makes the waiting and parked rows due that a birth reaches. @returns their number */
  resume(matches: (topic: string) => boolean): number {
    let resumed = 0;
    for (const row of this.rows.values()) {
      const isWaiting = row.dueAt !== null && row.owner === null && row.dueAt > this.#time.now;
      if (row.dueAt === null || !matches(row.message.topic) || !(isWaiting || row.parked)) continue;
      row.parked = false;
      const isHeld = (row.message.holdMs ?? 0) > 0 && row.state === "sent" && !row.noSession && !row.rejected;
      const from = isHeld ? this.#time.now + BIRTH_GRACE_MS : this.#time.now;
      if (row.owner === null) row.dueAt = Math.min(row.dueAt, from);
      resumed++;
    }
    return resumed;
  }

  parked(): string[] {
    const rows = [...this.rows.values()].filter((row) => row.parked && row.dueAt !== null);
    return [...new Set(rows.map(({ message }) => message.topic))];
  }

  /** Releases every lease of an owner. */
  releaseAll(owner: string): { messageId: string }[] {
    const held = [...this.rows.values()].filter((row) => row.owner === owner && row.dueAt !== null);
    for (const row of held) {
      row.owner = null;
      row.dueAt = this.#time.now;
    }
    return held.map(({ message }) => ({ messageId: message.messageId }));
  }

  settle(acks: readonly AckRecord[]): OutboxRow[] {
    return acks.flatMap((ack) => {
      const row = this.rows.get(ack.messageId);
      if (row === undefined || row.state === "acknowledged") return [];
      if (ack.checksum !== null && ack.checksum !== row.message.checksum) return [];
      if (ack.attempt !== null && ack.attempt > row.attempts) this.#setAttempts(row, ack.attempt);
      this.#move(row, "acknowledged");
      return [row];
    });
  }

  reject(rejections: readonly Rejection[]): { messageId: string }[] {
    return rejections.flatMap(({ messageId, leaseToken, retryable, retryInMs }) => {
      const row = this.#owned(messageId, leaseToken);
      if (row === null) return [];
      if (!retryable) this.#move(row, "failed");
      else {
        row.rejected = true;
        row.dueAt = this.#time.now + retryInMs;
        row.owner = null;
      }
      return [{ messageId }];
    });
  }

  #lease(row: OutboxRow, owner: string, leaseMs: number): LeasedMessage {
    row.owner = owner;
    row.token++;
    row.dueAt = this.#time.now + leaseMs;
    const { message } = row;
    return {
      messageId: message.messageId,
      topic: message.topic,
      payload: message.payload,
      contentEncoding: message.contentEncoding,
      contentType: message.contentType,
      qos: message.qos,
      retain: message.retain,
      requiresAck: message.requiresAck,
      checksum: message.checksum,
      orderingKey: message.orderingKey,
      createdAt: row.createdAt / 1_000,
      expiresInMs: null,
      attempts: row.attempts,
      maxRetries: message.maxRetries,
      leaseToken: String(row.token),
      traceparent: null,
      tracestate: null,
      holdMs: message.holdMs ?? null,
      noSession: row.noSession,
    };
  }

  /** The row, if it is live and has this lease token; else null. */
  #owned(id: string, token: string): OutboxRow | null {
    const row = this.rows.get(id);
    return row !== undefined && row.dueAt !== null && String(row.token) === token ? row : null;
  }

  #setAttempts(row: OutboxRow, attempts: number): void {
    row.attempts = attempts;
    const published = this.#watch.published(row.message.messageId);
    // SIM_OUTBOX-1
    if (attempts > published) {
      this.#watch.broken(`${row.message.messageId} counts ${attempts} attempts, ${published} were written`);
    }
  }

  #move(row: OutboxRow, to: State): void {
    const { messageId } = row.message;
    // SIM_OUTBOX-1
    if (row.state !== to && !LEGAL.includes(`${row.state}>${to}`)) {
      this.#watch.broken(`${messageId} moves from ${row.state} to ${to}`);
    }
    if (to === "acknowledged" && !this.#watch.hasEffect(messageId)) {
      this.#watch.broken(`${messageId} is acknowledged without an effect`);
    }
    row.state = to;
    if (to === "acknowledged" || to === "failed") {
      row.dueAt = null;
      row.owner = null;
      row.parked = false;
    }
  }
}
