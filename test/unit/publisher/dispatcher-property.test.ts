/** For any events in any order: no PUBLISH is forgotten, none is counted twice, and every count returns to 0. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import type { PublishOutcome } from "@acktor/shared/link/link";
import fc from "fast-check";
import { dispatcherRig, PUBACK, type Rig } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

const WINDOW = 8;

const outcome = fc.constantFrom<PublishOutcome>(
  PUBACK,
  PUBACK,
  { kind: "acked", reasonCode: 0x10 },
  { kind: "refused", reasonCode: 0x97 },
  { kind: "lost", why: "deadline" },
  { kind: "lost", why: "disconnected" },
);
const at = fc.nat({ max: 1_000 });
const usually = fc.constantFrom(true, true, true, false);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("offer" as const), topic: fc.nat({ max: 3 }), own: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("probe" as const), topic: fc.nat({ max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("outcome" as const), at, outcome }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("ack" as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("again" as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("confirm" as const), fence: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("gate" as const), open: usually }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("link" as const), takes: usually }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One PUBLISH on the wire. */
interface Sent {
  readonly id: string;
  readonly token: string;
  readonly settle: (outcome: PublishOutcome) => void;
  settled: boolean;
}

/** Plays the outbox, the broker and the receivers for one dispatcher. */
class World {
  readonly rig: Rig = dispatcherRig({ window: WINDOW });
  readonly rows = new Map<string, LeasedMessage>();
  readonly sent: Sent[] = [];
  /** `id/token` of PUBLISHes that an ack ended. */
  readonly acked: string[] = [];
  #seen = 0;

  play(what: Step): void {
    const { rig } = this;
    if (what.do === "offer") this.#offer(leased({ topic: `t/${what.topic}`, requiresAck: !what.own }), false);
    else if (what.do === "probe") this.#offer(leased({ topic: `t/${what.topic}` }), true);
    else if (what.do === "outcome") this.#settle(this.#pick(what.at), what.outcome);
    else if (what.do === "ack") this.#ack(this.#pick(what.at));
    else if (what.do === "again") this.#claimAgain(this.#pick(what.at));
    else if (what.do === "confirm") this.#confirm(what.fence);
    else if (what.do === "pass") rig.pass(what.ms);
    else if (what.do === "gate") rig.dispatcher.setOpen(what.open);
    else rig.link.refuses = () => (what.takes ? null : "window_full");
    this.#look();
  }

  /** Everything that is under way ends. */
  finish(): void {
    this.rig.dispatcher.setOpen(false);
    for (const one of this.sent) this.#settle(one, PUBACK);
    this.rig.pass(200);
    this.#confirm(false);
    this.rig.pass(60_000);
    this.#confirm(false);
    this.rig.pass(100);
    this.#look();
  }

  #offer(message: LeasedMessage, probe: boolean): void {
    this.rows.set(message.messageId, message);
    this.rig.dispatcher.offer([message], this.rig.now() + 15_000, probe);
  }

  #pick(place: number): Sent | undefined {
    return this.sent[place % Math.max(1, this.sent.length)];
  }

  #settle(one: Sent | undefined, how: PublishOutcome): void {
    if (one === undefined || one.settled) return;
    one.settled = true;
    one.settle(how);
  }

  #ack(one: Sent | undefined): void {
    if (one === undefined) return;
    const entry = this.rig.inFlight(one.id);
    if (entry === null) return;
    this.acked.push(`${one.id}/${entry.message.leaseToken}`);
    this.rig.dispatcher.answered(entry);
  }

  /** A row whose record is written is due again, for a retry or by a birth; the claim gives it the next token. */
  #claimAgain(one: Sent | undefined): void {
    const row = one && this.rows.get(one.id);
    if (row === undefined || !this.#written.has(`${row.messageId}/${row.leaseToken}`)) return;
    if (this.acked.some((key) => key.startsWith(row.messageId))) return;
    this.#offer({ ...row, leaseToken: String(Number(row.leaseToken) + 1), attempts: row.attempts + 1 }, false);
  }

  readonly #written = new Set<string>();

  #confirm(fence: boolean): void {
    const keys = this.rig.told.records.map((r) => ({ id: r.messageId, key: `${r.messageId}/${r.leaseToken}` }));
    const fresh = keys.filter(({ key }) => !this.#written.has(key));
    for (const { key } of fresh) this.#written.add(key);
    this.rig.confirm(new Set(fence ? fresh.slice(0, 1).map(({ id }) => id) : []));
  }

  #look(): void {
    const { dispatcher, link } = this.rig;
    for (const { message, settle } of link.published.slice(this.#seen)) {
      const wire = JSON.parse(String(message.payload)) as { message_id: string; attempt_token: string };
      this.sent.push({ id: wire.message_id, token: wire.attempt_token, settle, settled: false });
    }
    this.#seen = link.published.length;
    assert.ok(dispatcher.unacked <= WINDOW, `${dispatcher.unacked} un-acked`);
    assert.ok(dispatcher.room >= 0 && dispatcher.queued >= 0);
    const shown = dispatcher.destinations();
    assert.equal(
      shown.reduce((sum, d) => sum + d.queued, 0),
      dispatcher.queued,
    );
    assert.equal(
      shown.reduce((sum, d) => sum + d.unacked, 0),
      dispatcher.unacked,
    );
  }
}

test("PUBLISH_ENDS-1: every PUBLISH ends in a record or an ack: no more than one record, and none after the ack", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 120 }), (steps) => {
      const world = new World();
      for (const one of steps) world.play(one);
      world.finish();
      const { told, dispatcher } = world.rig;
      const records = told.records.map((r) => `${r.messageId}/${r.leaseToken}`);
      const answers = [...world.acked, ...told.brokerAcked.map(({ message: m }) => `${m.messageId}/${m.leaseToken}`)];
      assert.equal(new Set(records).size, records.length, "a PUBLISH has two records");
      assert.equal(new Set(answers).size, answers.length, "a PUBLISH has two answers");
      for (const { id, token } of world.sent) {
        assert.ok(
          records.includes(`${id}/${token}`) || answers.includes(`${id}/${token}`),
          `${id}/${token} is forgotten`,
        );
      }
      assert.deepEqual([dispatcher.queued, dispatcher.unacked], [0, 0]);
    }),
    { numRuns: 300 },
  );
});

test("every row that was taken is sent, given back, set aside, failed, or has expired", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 120 }), (steps) => {
      const world = new World();
      for (const one of steps) world.play(one);
      world.finish();
      const { told } = world.rig;
      const seen = new Set([
        ...world.sent.map((one) => one.id),
        ...told.released.flatMap((r) => r.messages.map((m) => m.messageId)),
        ...told.parked.flatMap((p) => p.messages.map((m) => m.messageId)),
        ...told.failed.map((f) => f.message.messageId),
      ]);
      for (const id of world.rows.keys()) assert.ok(seen.has(id), `${id} is forgotten`);
    }),
    { numRuns: 200 },
  );
});

test("an ack that came first leaves nothing to record", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 99 })), { maxLength: 20 }), (messages) => {
      const rig = dispatcherRig();
      for (const [pubackFirst, wait] of messages) {
        const message = leased();
        rig.offer(message);
        if (pubackFirst) rig.settle(message.messageId, PUBACK);
        rig.passWithoutTick(wait);
        assert.equal(rig.ack(message.messageId), true);
        if (!pubackFirst) rig.settle(message.messageId, PUBACK);
      }
      rig.pass(60_000);
      assert.deepEqual([rig.told.records, rig.dispatcher.unacked], [[], 0]);
    }),
  );
});
