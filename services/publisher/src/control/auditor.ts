/**
 * Writes the audit: of this publisher's commands, and of the commands that ackers have executed. Ackers have no table for it
 * (their database may be another one) and report on the bus.
 *
 * Invariants:
 *  AUDIT-1. Every record is tried once, within the deadline of a statement; a record that PostgreSQL does not take is logged
 *           completely.
 *  AUDIT-2. Of a caller's refusals, the first 60 a minute are recorded (`RefusalBudget`). Refusals of one address, or of one
 *           principal there, and refused signatures on the bus, are recorded once a minute, with their number: knocking does
 *           not push other lines out of a bounded table.
 *  AUDIT-3. A report counts where its signature does, and once: heard again, also by another publisher, it adds no line.
 *  AUDIT-4. Reports are measured before they are parsed. `LANES` of them are with the database at a time, so that a flood
 *           does not take its connections from the messages; `MOST_UNDER_WAY` wait at most. One more is refused: its acker
 *           has it in the log.
 */
import type { Bus, BusMessage } from "@acktor/shared/bus/bus";
import type { Pool } from "@acktor/shared/db/pool";
import { cleanForeign } from "@acktor/shared/inspect/clean-context";
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";
import { LIMITS, readText, sealedBytes } from "@acktor/shared/inspect/wire-schemas";
import { isJsonObject } from "@acktor/shared/protocol/bounded-json";
import type { Clock } from "@acktor/shared/runtime/clock";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import type { Logger } from "@acktor/shared/runtime/logger";
import { z } from "zod";
import { recordAction } from "../outbox/record-action.ts";
import { RefusalBudget } from "./refusal-budget.ts";

export interface AuditorOptions {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Every acker of a large fleet after one command. */
const MOST_UNDER_WAY = 1_000;
const MOST_BYTES_UNDER_WAY = 4 * 1024 * 1024;
const LANES = 2;

const text = z.string().max(300);

/** What an acker reports. */
const report = z.object({
  record: z.object({
    who: text,
    said: text.nullish(),
    from: text,
    service: z.literal("acker"),
    instance: text,
    action: text,
    outcome: z.enum(["done", "refused", "unauthorized", "forbidden", "unanswered"]),
    detail: z.unknown().refine(isJsonObject, "is not an object").transform(cleanForeign),
    messages: z.literal(0),
  }),
});

export class Auditor {
  malformed = 0;
  readonly #options: AuditorOptions;
  readonly #knocks: LogThrottle;
  readonly #unwritten: LogThrottle;
  readonly #refusals: RefusalBudget;
  readonly #lanes: Promise<void>[] = Array.from({ length: LANES }, () => Promise.resolve());
  #reports = 0;
  #underWay = 0;
  #bytes = 0;

  constructor(options: AuditorOptions) {
    this.#options = options;
    this.#knocks = new LogThrottle(options.clock);
    this.#unwritten = new LogThrottle(options.clock);
    this.#refusals = new RefusalBudget(options.clock);
  }

  /** Never rejects. @param report nonce of the report that it comes from */
  async record(record: AuditRecord, report: string | null = null): Promise<void> {
    if (record.outcome === "done") return this.#write(record, report);
    const unsaid = this.#admit(record);
    if (unsaid === null) return;
    if (unsaid === 0 && (record.outcome === "refused" || record.outcome === "unanswered"))
      return this.#write(record, report);
    const detail = isJsonObject(record.detail) ? record.detail : { detail: record.detail };
    const before = typeof detail["more_before"] === "number" ? detail["more_before"] : 0;
    await this.#write({ ...record, detail: { ...detail, more_before: before + unsaid } as Detail }, report);
  }

  /** @returns how many refusals of this caller went unrecorded; null: neither is this one */
  #admit({ outcome, who, from }: AuditRecord): number | null {
    // A principal is one of few; of a stranger, whose name proves nothing, the address counts.
    // AUDIT-2
    if (outcome === "unauthorized") return this.#knocks.admit(from);
    return outcome === "forbidden" ? this.#knocks.admit(`${from} ${who}`) : this.#refusals.admit(who);
  }

  /** Takes the reports of ackers; of several publishers one writes each. @returns what ends it */
  listen(bus: Bus, subject: string): () => void {
    return bus.subscribe(subject, (message) => this.#onReport(message), {
      queue: "audit",
      mostBytes: sealedBytes(LIMITS.medium),
      refused: ({ respond }) => respond(REFUSED),
    });
  }

  async #onReport({ text, nonce, respond }: BusMessage): Promise<void> {
    const read = readText(report, text, LIMITS.medium);
    if (read === null) this.malformed++;
    // AUDIT-4
    const crowded = this.#underWay >= MOST_UNDER_WAY || this.#bytes + text.length > MOST_BYTES_UNDER_WAY;
    if (read === null || crowded) return respond(REFUSED);
    this.#underWay++;
    this.#bytes += text.length;
    const lane = this.#reports++ % LANES;
    const written = (this.#lanes[lane] ?? Promise.resolve()).then(() => this.record(read.record, nonce));
    // A lane continues after a failure in it.
    this.#lanes[lane] = written.catch((error) => {
      this.#options.logger.error({ err: error }, "a report could not be recorded");
    });
    try {
      await written;
    } finally {
      this.#underWay--;
      this.#bytes -= text.length;
    }
    respond(TAKEN);
  }

  async #write(record: AuditRecord, report: string | null): Promise<void> {
    const { pool, logger } = this.#options;
    // AUDIT-1, AUDIT-3
    const written = await recordAction(pool, record, report);
    if (written.ok) return;
    const { code, message: why } = written.failure;
    // This publisher's own commands are always logged; of reports the ackers have their own line.
    const unsaid = report === null && record.service === "publisher" ? 0 : this.#unwritten.admit(code);
    if (unsaid !== null) logger.error({ record, code, why, unsaid }, "a command was not recorded");
  }
}

type Detail = AuditRecord["detail"];

const TAKEN = JSON.stringify({ ok: true });
const REFUSED = JSON.stringify({ ok: false });
