/** Waits until the inbox can take messages: PostgreSQL answers, the schema is there, and today's partition. */
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import type { Random } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import { Persister } from "@acktor/shared/runtime/persist";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { DatabaseWatch } from "./database-watch.ts";
import type { Inbox } from "./inbox.ts";

export interface PrepareParts {
  readonly inbox: Pick<Inbox, "prepare">;
  readonly database: DatabaseWatch;
  readonly random: Random;
  readonly logger: Logger;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;
/** Code of a failure that the database's health has logged. */
const LOGGED = "DATABASE";
const STOPPED: Prepared = { ok: false, fault: "stopped before it had started" };

/** Resolves when the inbox is ready, or with the fault that waiting does not heal; early when aborted. */
export async function prepareInbox(parts: PrepareParts, signal: AbortSignal): Promise<Prepared> {
  const persister = new Persister({
    ...{ troubles: new StartLog(parts.logger), area: "start", stop: signal },
    ...{ pauseMs: FIRST_WAIT_MS, maxPauseMs: LONGEST_WAIT_MS, random: parts.random },
  });
  const answer = await persister.persist(() => attempt(parts));
  if (answer.ok) return { ok: true };
  return answer.failure.kind === "rejected" ? { ok: false, fault: answer.failure.message } : STOPPED;
}

async function attempt({ inbox, database }: PrepareParts): Promise<DbResult<never>> {
  if (!(await database.probe())) return failed("unavailable", database.health.line(), LOGGED);
  const prepared = await inbox.prepare();
  if (prepared.ok) {
    database.watchSchema();
    return { ok: true, rows: [] };
  }
  return failed(prepared.isFinal ? "rejected" : "unavailable", prepared.fault);
}

function failed(kind: DbFailure["kind"], message: string, code = "START"): DbResult<never> {
  return { ok: false, failure: { kind, message, code, maybeCommitted: false, constraint: null } };
}

/** Logs why the acker has not started yet, once for each reason. */
class StartLog implements Pick<TroubleDesk, "report"> {
  readonly #logger: Logger;
  #logged = "";

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  report<T extends Parameters<TroubleDesk["report"]>[1]>(_area: string, result: T): T {
    if (result.ok || result.failure.code === LOGGED || result.failure.message === this.#logged) return result;
    this.#logged = result.failure.message;
    this.#logger.warn({ why: this.#logged }, "not started yet, retrying");
    return result;
  }
}
