/** Seeded bugs in the handling of messages: leases, suspects, early runs, patience, transactions. The simulation must catch them. */
import type { Bug } from "./bugs.ts";

const PROCESS = "services/acker/src/process";

export const HANDLER_BUGS: readonly Bug[] = [
  {
    name: "handler: answered before its outcome is written",
    patches: [
      {
        file: `${PROCESS}/outcome-writer.ts`,
        from: "const rows = batch.map(",
        to: "for (const finishing of batch) this.#answer(finishing);\n    const rows = batch.map(",
      },
    ],
  },
  {
    name: "handler: answered although its lease is lost",
    patches: [
      {
        file: `${PROCESS}/outcome-writer.ts`,
        from: "if (written.has(finishing.hold.lease.messageId)) this.#answer(finishing);",
        to: "if (answer.ok) this.#answer(finishing);",
      },
      {
        file: `${PROCESS}/lease-keeper.ts`,
        from: "if (leases.length === 0) continue;",
        to: "if (leases.length >= 0) continue;",
      },
    ],
  },
  {
    name: "handler: leases are not renewed",
    patches: [
      {
        file: `${PROCESS}/lease-keeper.ts`,
        from: "if (leases.length === 0) continue;",
        to: "if (leases.length >= 0) continue;",
      },
    ],
  },
  {
    name: "handler: no patience is asked for",
    patches: [
      {
        file: `${PROCESS}/patience.ts`,
        from: "counts.working++;",
        to: "if (forMs > 0) return;\n    counts.working++;",
      },
    ],
  },
  {
    name: "handler: suspects begin together",
    patches: [
      {
        file: `${PROCESS}/handler-runs.ts`,
        from: "else this.#suspects = this.#suspects.then(() => this.#runAlone(task, lease));",
        to: "else void this.#runAlone(task, lease);",
      },
    ],
  },
  {
    name: "handler: a suspect is not noted before it begins",
    patches: [
      {
        file: `${PROCESS}/handler-runs.ts`,
        from: "if (crashes === 0) this.#parts.runner.run(task);",
        to: "if (crashes >= 0) this.#parts.runner.run(task);",
      },
    ],
  },
  {
    name: "handler: begins without the lease of its batch",
    patches: [
      {
        file: `${PROCESS}/handle-first.ts`,
        from: 'if (begun === "yes") return this.#handleUnder(lease, groups, taken);',
        to: "return this.#handleUnder(lease, groups, taken);",
      },
    ],
  },
  {
    name: "handler: its effect is left out of the batch",
    patches: [
      {
        file: `${PROCESS}/handle-first.ts`,
        from: 'return effect?.kind === "fragment" ? effect : null;',
        to: "return effect === undefined ? effect : null;",
      },
    ],
  },
  {
    name: "handler: its message is not given back at a stop",
    patches: [
      {
        file: `${PROCESS}/handler-runs.ts`,
        from: "runner.stop();\n      this.#abandonment.begin();",
        to: "",
      },
    ],
  },
  {
    name: "handler: one that hangs keeps its place",
    patches: [
      {
        file: `${PROCESS}/handler-runner.ts`,
        from: "this.#timer ??= setTimeout(() => this.#giveUpLate(), timeoutMs);",
        to: "",
      },
    ],
  },
  {
    name: "handler: a retryable rejection is final",
    patches: [
      {
        file: `${PROCESS}/task.ts`,
        from: 'const status = retryable ? "received" : "rejected";',
        to: 'const status = "rejected";',
      },
    ],
  },
];
