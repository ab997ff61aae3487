/** The port `Outbox` of one process, on the simulated database: its verbs take time, fail, and end with the process. */
import type { Failure } from "@acktor/publisher/outbox/fail-messages";
import type {
  AckLeftover,
  AckRecord,
  AttemptRecord,
  Changed,
  ClaimedBatch,
  InsertResult,
  NewMessage,
  Outbox,
  Outcome,
  Parking,
  ProbeLimits,
  Rejection,
  Release,
  Settled,
} from "@acktor/publisher/outbox/outbox";
import type { Place, ServedPlace } from "@acktor/publisher/outbox/serve-places";
import type { Birth } from "@acktor/publisher/outbox/walk-waiting";
import type { DbResult } from "@acktor/shared/db/pool";
import type { OutboxTable } from "./outbox-table.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { SimProcess } from "./virtual-time.ts";

export class SimOutbox implements Outbox {
  readonly #table: OutboxTable;
  readonly #database: SimDatabase;
  readonly #owner: SimProcess;
  readonly #leaseMs: number;

  constructor(table: OutboxTable, database: SimDatabase, owner: SimProcess, leaseMs: number) {
    this.#table = table;
    this.#database = database;
    this.#owner = owner;
    this.#leaseMs = leaseMs;
  }

  async insert(messages: readonly NewMessage[]): Promise<InsertResult> {
    const answer = await this.#run(() => this.#table.insert(messages, this.#owner.name, this.#leaseMs));
    return answer.ok ? { ok: true, inserted: answer.rows } : answer;
  }

  async claim(limit: number): Promise<Outcome<ClaimedBatch>> {
    const answer = await this.#run(() => this.#table.claim(this.#owner.name, limit, this.#leaseMs));
    return answer.ok
      ? { ok: true, value: { messages: answer.rows, more: false, anyParked: this.#table.parked().length > 0 } }
      : answer;
  }

  supersede(): Promise<Outcome<readonly string[]>> {
    return this.#value([]);
  }

  recordAttempts(records: readonly AttemptRecord[]): Promise<Changed> {
    return this.#run(() => this.#table.markSent(records));
  }

  fail(failures: readonly Failure[]): Promise<Changed> {
    return this.#do(() => this.#table.fail(failures));
  }

  release(releases: readonly Release[]): Promise<Changed> {
    return this.#do(() => this.#table.release(releases));
  }

  park(parkings: readonly Parking[]): Promise<Changed> {
    return this.#do(() => {
      for (const { destination, messageId } of parkings)
        if (messageId !== null) this.#table.setParked(destination, [messageId]);
    });
  }

  unpark(destinations: readonly string[]): Promise<DbResult<never>> {
    return this.#do(() => {
      for (const destination of destinations) this.#table.setParked(destination, null);
    });
  }

  settle(acks: readonly AckRecord[]): Promise<DbResult<Settled>> {
    return this.#run(() =>
      this.#table.settle(acks).map(({ message: { messageId, topic } }) => {
        const isLate = acks.some((ack) => ack.messageId === messageId && ack.publishedAgoMs === null);
        return { messageId, late: false, ageMs: 0, topic: isLate ? topic : null };
      }),
    );
  }

  classify(
    acks: readonly AckRecord[],
  ): Promise<DbResult<{ readonly messageId: string; readonly leftover: AckLeftover }>> {
    return this.#run(() => acks.map(({ messageId }) => ({ messageId, leftover: "duplicate" as const })));
  }

  reject(rejections: readonly Rejection[]): Promise<Changed> {
    return this.#run(() => this.#table.reject(rejections));
  }

  async serve(places: readonly Place[]): Promise<DbResult<ServedPlace>> {
    const reaches = (topic: string): boolean =>
      places.some((place) => topic === place.topic || (place.below && topic.startsWith(`${place.topic}/`)));
    const answer = await this.#run(() => [this.#table.resume(reaches)]);
    if (!answer.ok) return answer;
    const moved = answer.rows[0] ?? 0;
    return { ok: true, rows: places.map((place) => ({ ...place, more: false, moved })) };
  }

  freeReleased() {
    return this.#value({ freed: 0, more: false });
  }

  async walk(_after: string, { tree }: Birth) {
    const answer = await this.#run(() => [this.#table.resume((topic) => tree.matches(topic))]);
    return answer.ok ? ({ ok: true, value: { next: null, rows: answer.rows[0] ?? 0 } } as const) : answer;
  }

  expire() {
    return this.#value({ expired: 0, more: false });
  }

  probeDatabase(): Promise<DbResult<never>> {
    return this.#run(() => []);
  }

  async count(): Promise<Outcome<number>> {
    const answer = await this.#run(() => [this.#table.live()]);
    return answer.ok ? { ok: true, value: answer.rows[0] ?? 0 } : answer;
  }

  oldestWaiting(): Promise<Outcome<null>> {
    return this.#value(null);
  }

  async countParked(): Promise<Outcome<number>> {
    return { ok: true, value: this.#table.parked().length };
  }

  async probe({ untried, silent }: ProbeLimits) {
    const answer = await this.#run(() => this.#table.probe(this.#owner.name, this.#leaseMs, untried + silent));
    return answer.ok ? ({ ok: true, value: { messages: answer.rows, forgotten: [] } } as const) : answer;
  }

  countReplicas(): Promise<Outcome<number>> {
    return this.#value(1);
  }

  makeDays() {
    return this.#value({ waiting: [], full: [] });
  }

  adoptDays(): Promise<Outcome<null>> {
    return this.#value(null);
  }

  retain() {
    return this.#value({ more: false });
  }

  sumUpTally() {
    return this.#value({ more: false });
  }

  releaseAll(): Promise<Changed> {
    return this.#run(() => this.#table.releaseAll(this.#owner.name));
  }

  #run<Row>(statement: () => readonly Row[]): Promise<DbResult<Row>> {
    return this.#database.run(this.#owner, statement);
  }

  #do(statement: () => void): Promise<DbResult<never>> {
    return this.#run<never>(() => {
      statement();
      return [];
    });
  }

  /** A statement that does nothing in the simulation. It takes time and may fail as any other. */
  async #value<T>(value: T): Promise<Outcome<T>> {
    const answer = await this.#run(() => []);
    return answer.ok ? { ok: true, value } : answer;
  }
}
