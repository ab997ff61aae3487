/**
 * The seeded bugs. Each is a small patch of a source file, compiled into a copy of the build, with the trial that must catch
 * it. A checker that has never failed proves nothing.
 */
import type { SourcePatch } from "./build-copy.ts";
import {
  ackerLosesDatabase,
  acksComeLate,
  acksForged,
  acksLost,
  brokerAway,
  clockJumps,
  everythingTwice,
  halfOpenBreaker,
  messagesAltered,
  noAcks,
  postgresKilled,
  publisherLosesDatabase,
  type Trial,
} from "./trials.ts";

export interface Bug {
  readonly name: string;
  readonly patches: readonly SourcePatch[];
  /** Run on the fresh schema, before the services start. */
  readonly sql?: string;
  /** Settings of PostgreSQL. */
  readonly postgres?: Readonly<Record<string, string>>;
  /** Without a trial only the simulation must catch the bug. */
  readonly trial?: Trial;
  /** The simulation must catch the bug, too. */
  readonly simulated?: boolean;
}

const EARLY_201 = `{
            let at = 0;
            for (const request of group) {
                const rows = messages.slice(at, at + request.accepted.length);
                at += rows.length;
                request.answer({ ok: true, messages: rows.map((r) => ({ messageId: r.messageId, state: "pending", fresh: true })) });
            }
        }
        const reserved =`;

export const BUGS: readonly Bug[] = [
  {
    name: "201 before commit",
    patches: [{ file: "services/publisher/src/intake/intake.ts", from: "const reserved =", to: EARLY_201 }],
    trial: publisherLosesDatabase,
    simulated: true,
  },
  {
    name: "acker acks before its commit",
    patches: [
      {
        file: "services/acker/src/process/processor.ts",
        from: "const stored = await",
        to: 'for (const { message } of first.rest) this.#parts.acks.answer(message, { status: "processed" });\n        const stored = await',
      },
    ],
    trial: ackerLosesDatabase,
    simulated: true,
  },
  {
    name: "dedupe off",
    patches: [
      {
        file: "services/acker/src/inbox/receive-messages.ts",
        from: "mayInsertPlainly(options) && newness.expects(sorted)",
        to: "true",
      },
      { file: "services/acker/src/verify/verifier.ts", from: "groups.get(message.messageId)", to: "undefined" },
      { file: "services/acker/src/verify/verifier.ts", from: "groups.set(message.messageId,", to: "groups.set(held," },
    ],
    sql: "alter table acker.inbox drop constraint inbox_pkey",
    trial: everythingTwice,
  },
  {
    name: "sent written without a guard",
    patches: [
      {
        file: "services/publisher/src/outbox/mark-sent.ts",
        from: "m.lease_token = a.token and m.state in ('pending', 'sent')\n  and not",
        to: "true and not",
      },
    ],
    sql: `drop trigger legal_move on publisher.message_delivery;
      alter table publisher.message_delivery drop constraint due_while_live`,
    trial: acksComeLate,
  },
  {
    name: "attempts burnt while offline",
    patches: [
      {
        file: "services/publisher/src/dispatch/dispatch-role.ts",
        from: 'state === "CONNECTED" && breaker !== "OPEN" && !this.#paused',
        to: "(state, breaker, !this.#paused)",
      },
      {
        file: "services/publisher/src/dispatch/sender.ts",
        from: "return this.#notSent(attempt, queued, unsent);",
        to: 'return (ends.ended(attempt, { kind: "lost", why: "disconnected" }), true);',
      },
      {
        file: "services/publisher/src/dispatch/sender.ts",
        from: "let capacity = link.capacity();",
        to: "let capacity = 1000;",
      },
    ],
    trial: brokerAway,
    simulated: true,
  },
  {
    name: "no jitter",
    patches: [
      { file: "services/publisher/src/dispatch/retry-delay.ts", from: "this.#random.next() * spread", to: "spread" },
    ],
    trial: acksLost,
  },
  {
    name: "HALF_OPEN admits all",
    patches: [
      {
        file: "shared/src/link/publish-gate.ts",
        from: "return this.#probesLeft;",
        to: 'return this.#state === "HALF_OPEN" ? Number.POSITIVE_INFINITY : this.#probesLeft;',
      },
    ],
    trial: halfOpenBreaker,
  },
  {
    name: "signature not checked",
    patches: [
      {
        file: "services/publisher/src/settle/authenticate-acks.ts",
        from: "if (this.#trust === null)",
        to: "if (this.#trust !== undefined)",
      },
    ],
    trial: acksForged,
  },
  {
    name: "checksum not compared",
    patches: [
      {
        file: "shared/src/protocol/envelope.ts",
        from: "envelope.checksum !== received",
        to: "envelope.checksum === checksumOf",
      },
    ],
    trial: messagesAltered,
  },
  {
    name: "no window",
    patches: [
      {
        file: "services/publisher/src/dispatch/sender.ts",
        from: "book.size < health.window",
        to: "health.window",
      },
    ],
    trial: noAcks,
    simulated: true,
  },
  {
    name: "wall clock in the breaker",
    patches: [
      {
        file: "shared/src/link/link-options.ts",
        from: "options.clock ?? SYSTEM_CLOCK",
        to: "{ ...SYSTEM_CLOCK, now: () => Date.now() }",
      },
    ],
    trial: clockJumps,
  },
  {
    name: "synchronous_commit=off with kill -9 of PostgreSQL",
    patches: [],
    postgres: { synchronous_commit: "off", wal_writer_delay: "10s" },
    trial: postgresKilled,
  },
];
