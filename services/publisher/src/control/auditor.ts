/**
 * Writes the audit: of this publisher's commands, and of what ackers were told, who have no table of it (their database
 * may be another one) and report on the bus.
 *
 * Invariants:
 *  1. Every record is tried once, within the deadline of a statement; what PostgreSQL does not take stands in the log, whole.
 *  2. Refusals of one address, or of one principal there, are recorded once a minute, with how many there were: a flood of them pushes nothing out of
 *     a bounded table by knocking.
 */
import type { Bus } from "@acktor/shared/bus/bus";
import type { Pool } from "@acktor/shared/db/pool";
import { type AuditRecord, isSame } from "@acktor/shared/inspect/command-desk";
import { createLogThrottle } from "@acktor/shared/runtime/log-throttle";
import type { Logger } from "@acktor/shared/runtime/logger";
import { z } from "zod";
import { recordAction } from "../outbox/record-action.ts";

export interface AuditorOptions {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly token: string | null;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

const text = z.string().max(300);

/** What an acker reports. */
const report = z.object({
  token: z.string().optional(),
  record: z.object({
    who: text,
    said: text.nullish(),
    from: text,
    service: z.literal("acker"),
    instance: text,
    action: text,
    outcome: z.enum(["done", "refused", "unauthorized", "forbidden", "unanswered"]),
    detail: z.record(z.string(), z.json()),
    messages: z.literal(0),
  }),
});

export class Auditor {
  malformed = 0;
  readonly #options: AuditorOptions;
  readonly #knocks: ReturnType<typeof createLogThrottle>;

  constructor(options: AuditorOptions) {
    this.#options = options;
    this.#knocks = createLogThrottle(options.now);
  }

  /** Never rejects. */
  async record(record: AuditRecord): Promise<void> {
    if (record.outcome === "unauthorized" || record.outcome === "forbidden") {
      // Of a principal, which is one of few; of a stranger, whatever name it gives, the address.
      const knocker = record.outcome === "forbidden" ? `${record.from} ${record.who}` : record.from;
      const unsaid = this.#knocks.admit(knocker);
      if (unsaid === null) return;
      await this.#write({ ...record, detail: { ...asObject(record.detail), more_before: unsaid } });
      return;
    }
    await this.#write(record);
  }

  /** Takes the reports of ackers; of several publishers one writes each. @returns what ends it */
  listen(bus: Bus, subject: string): () => void {
    return bus.subscribe(subject, ({ text, respond }) => void this.#onReport(text).then(respond), { queue: "audit" });
  }

  async #onReport(text: string): Promise<string> {
    const read = report.safeParse(parse(text));
    const { token } = this.#options;
    if (!read.success || (token !== null && !isSame(read.data.token ?? "", token))) {
      this.malformed++;
      return JSON.stringify({ ok: false });
    }
    await this.record(read.data.record);
    return JSON.stringify({ ok: true });
  }

  async #write(record: AuditRecord): Promise<void> {
    const { pool, logger } = this.#options;
    const written = await recordAction(pool, record);
    if (written.ok) return;
    logger.error({ record, code: written.failure.code, why: written.failure.message }, "a command was not recorded");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function asObject(detail: AuditRecord["detail"]): object {
  return typeof detail === "object" && detail !== null && !Array.isArray(detail) ? detail : { detail };
}
