/**
 * The seeded bugs: each a small edit of a copy of the build, with the trial that must catch it. A checker that has never
 * failed proves nothing.
 */
import type { Edit } from "./build-copy.ts";
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
  nobodyAcks,
  postgresKilled,
  publisherLosesDatabase,
  type Trial,
} from "./trials.ts";

export interface Bug {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Run on the fresh schema, before the services start. */
  readonly sql?: string;
  /** Settings of PostgreSQL. */
  readonly postgres?: Readonly<Record<string, string>>;
  readonly trial: Trial;
  /** The simulation must catch it too. */
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
    edits: [{ file: "services/publisher/dist/intake/intake.js", from: "const reserved =", to: EARLY_201 }],
    trial: publisherLosesDatabase,
    simulated: true,
  },
  {
    name: "acker acks before its commit",
    edits: [
      {
        file: "services/acker/dist/pipeline.js",
        from: "const stored = await",
        to: 'for (const group of groups) answerAll(group.all, { status: "processed" }, options);\n        const stored = await',
      },
    ],
    trial: ackerLosesDatabase,
    simulated: true,
  },
  {
    name: "dedupe off",
    edits: [
      {
        file: "services/acker/dist/inbox/receive-messages.js",
        from: "mayInsertPlainly(sorted, options)",
        to: "options.newness !== undefined",
      },
      { file: "services/acker/dist/pipeline.js", from: "groups.get(message.messageId)", to: "undefined" },
      { file: "services/acker/dist/pipeline.js", from: "groups.set(message.messageId,", to: "groups.set(held," },
    ],
    sql: "alter table acker.inbox drop constraint inbox_pkey",
    trial: everythingTwice,
  },
  {
    name: "sent written without a guard",
    edits: [
      {
        file: "services/publisher/dist/outbox/mark-sent.js",
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
    edits: [
      {
        file: "services/publisher/dist/dispatch/dispatch-role.js",
        from: 'state === "CONNECTED" && breaker !== "OPEN" && !this.#paused',
        to: "(state, breaker, !this.#paused)",
      },
      {
        file: "services/publisher/dist/dispatch/dispatcher.js",
        from: "return this.#notSent(entry, queued, unsent);",
        to: 'return (this.#ended(entry, { kind: "lost", why: "disconnected" }), true);',
      },
      {
        file: "services/publisher/dist/dispatch/dispatcher.js",
        from: "let capacity = this.#options.link.capacity();",
        to: "let capacity = 1000;",
      },
    ],
    trial: brokerAway,
    simulated: true,
  },
  {
    name: "no jitter",
    edits: [{ file: "services/publisher/dist/dispatch/retry-delay.js", from: "random() * spread", to: "spread" }],
    trial: acksLost,
  },
  {
    name: "HALF_OPEN admits all",
    edits: [
      {
        file: "shared/dist/link/publish-gate.js",
        from: "return this.#probesLeft;",
        to: 'return this.#state === "HALF_OPEN" ? Number.POSITIVE_INFINITY : this.#probesLeft;',
      },
    ],
    trial: halfOpenBreaker,
  },
  {
    name: "signature not checked",
    edits: [
      {
        file: "services/publisher/dist/settle/authenticate-acks.js",
        from: "if (this.#trust === null)",
        to: "if (this.#trust !== undefined)",
      },
    ],
    trial: acksForged,
  },
  {
    name: "checksum not compared",
    edits: [
      {
        file: "shared/dist/protocol/envelope.js",
        from: "envelope.checksum !== received",
        to: "envelope.checksum === checksumOf",
      },
    ],
    trial: messagesAltered,
  },
  {
    name: "no window",
    edits: [
      {
        file: "services/publisher/dist/dispatch/dispatcher.js",
        from: "this.#inFlight.size < this.#window",
        to: "this.#window",
      },
    ],
    trial: nobodyAcks,
    simulated: true,
  },
  {
    name: "wall clock in the breaker",
    edits: [{ file: "shared/dist/link/link-options.js", from: "performance.now()", to: "Date.now()" }],
    trial: clockJumps,
  },
  {
    name: "synchronous_commit=off with kill -9 of PostgreSQL",
    edits: [],
    postgres: { synchronous_commit: "off", wal_writer_delay: "10s" },
    trial: postgresKilled,
  },
];
