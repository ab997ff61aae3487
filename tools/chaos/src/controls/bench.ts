/** The tools of a trial: a world of the build with the bug, traffic, and the judge. */
import { type FinalState, findOutOfOrder, judge } from "../check/judge.ts";
import { TOPIC_ROOT } from "../scenarios/scenario.ts";
import { seededRandom } from "../seeded-random.ts";
import { openHistory } from "../workload/history.ts";
import { startWriters } from "../workload/writers.ts";
import { LabFailure } from "../world/lab-failure.ts";
import { becomesTrue } from "../world/until.ts";
import type { World } from "../world/world.ts";

export const BENCH_SECRET = "the lab's secret, known to both";

/** Shorter waits than in production: the logic is the same. */
export const BENCH_ENV = {
  ACKTOR_ACK_SECRET: BENCH_SECRET,
  ACKTOR_ACK_TIMEOUT_MIN: "500ms",
  ACKTOR_RETRY_BASE: "400ms",
  ACKTOR_RETRY_CAP: "1s",
  ACKTOR_BACKOFF_BASE: "100ms",
  ACKTOR_BACKOFF_CAP: "1s",
  ACKTOR_LEASE: "5s",
  ACKTOR_WINDOW: "64",
};

const SOON_MS = 5_000;
const LAST_ANSWERS_MS = 3_000;
const DRAIN_LIMIT_MS = 20_000;

export class Bench {
  readonly world: World;
  readonly root: string;
  readonly random = seededRandom(1);
  readonly #accepted: string[] = [];
  readonly #endsAs = new Map<string, FinalState>();
  #run = 0;

  constructor(world: World, root: string) {
    this.world = world;
    this.root = root;
  }

  get accepted(): readonly string[] {
    return this.#accepted;
  }

  /** Sends until `count` messages are accepted or `limitMs` has passed. @returns how many were accepted */
  async traffic(count: number, options: { readonly rate?: number; readonly limitMs?: number } = {}): Promise<number> {
    const { rate = 200, limitMs = 10_000 } = options;
    const history = openHistory(null);
    const url = this.world.units.publisher.url;
    const writers = startWriters({ url, seed: ++this.#run, rate, history, topicRoot: TOPIC_ROOT, orderingKeys: 5 });
    await becomesTrue(() => writers.accepted() >= count, limitMs);
    await writers.stop(LAST_ANSWERS_MS);
    for (const entry of history.entries) {
      if (entry.op === "answer" && entry.kind === "ok") this.#accepted.push(entry.id);
    }
    return writers.accepted();
  }

  /** One request with `count` messages, without ordering, to `destinations` topics. */
  async sendAtOnce(count: number, destinations: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, n) => {
      return { topic: `${TOPIC_ROOT}/many${n % destinations}`, content: `${n}:batch` };
    });
    const response = await fetch(`${this.world.units.publisher.url}/v1/messages/batch`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages }),
      signal: AbortSignal.timeout(LAST_ANSWERS_MS),
    });
    const { message_ids: ids } = (await response.json()) as { message_ids?: string[] };
    if (ids === undefined) throw new LabFailure(`a batch was answered with ${response.status}`);
    this.#accepted.push(...ids);
  }

  /** Sends messages that no acker receives and that expire after a second. */
  async sendShortLived(count: number): Promise<void> {
    const body = { topic: `no-receiver/${TOPIC_ROOT}`, content: "short-lived", ttl_seconds: 1 };
    // A service that has just been started answers 503 until its database has answered.
    await becomesTrue(() => this.world.units.publisher.ready(), SOON_MS);
    for (let n = 0; n < count; n++) {
      const id = await this.sendOne(body, null);
      if (id !== null) this.#endsAs.set(id, "expired");
    }
  }

  /** Makes one call; with a key it can be repeated. @returns the id, or null when the outcome is unknown */
  async sendOne(body: object, key: string | null): Promise<string | null> {
    const headers = { "content-type": "application/json", ...(key === null ? {} : { "idempotency-key": key }) };
    const options = {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(LAST_ANSWERS_MS),
    };
    try {
      const response = await fetch(`${this.world.units.publisher.url}/v1/messages`, options);
      const { message_id: id } = (await response.json()) as { message_id?: string };
      if (id === undefined) return null;
      if (!this.#accepted.includes(id)) this.#accepted.push(id);
      return id;
    } catch {
      return null; // Reset, cut off or late: the outcome is unknown.
    }
  }

  async rows<Row>(text: string): Promise<readonly Row[]> {
    const answer = await this.world.pool.run<Row>(text);
    if (!answer.ok) throw new LabFailure(`${answer.failure.code}: ${answer.failure.message}`);
    return answer.rows;
  }

  /** Waits until every message is in its final state, or for `limitMs`. The judge reports the rest. */
  async drained(limitMs = DRAIN_LIMIT_MS): Promise<void> {
    await becomesTrue(async () => {
      const [row] = await this.rows<{ live: number }>(
        "select count(*)::int4 live from publisher.message_delivery where due_at is not null",
      );
      return row?.live === 0;
    }, limitMs);
  }

  /** Everything that is wrong. Messages that are not delivered yet count only when `drained`. */
  async findings(drained = true): Promise<string[]> {
    const verdict = await judge(this.world.pool, { accepted: this.#accepted, endsAs: this.#endsAs });
    const { lost, ...others } = verdict;
    const gone = drained ? lost : lost.filter((line) => line.endsWith("no row"));
    const lists: Record<string, readonly string[]> = {
      lost: gone,
      ...others,
      outOfOrder: await findOutOfOrder(this.world.pool),
    };
    return Object.entries(lists).flatMap(([name, list]) =>
      list.slice(0, 1).map((line) => `${name} (${list.length}): ${line}`),
    );
  }
}
