/**
 * `acktor dead-letters replay` and `discard`.
 *
 * Invariants:
 *  CONFIRM-1. Without `--yes` nothing changes before a person has seen the number of messages and confirmed. Without a
 *             terminal the command fails.
 */
import { createInterface } from "node:readline/promises";
import { printableCopy } from "@acktor/shared/runtime/printable";
import type { z } from "zod";
import type { Api, ApiResult } from "../api/api.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { changeOutput } from "../outputs.ts";
import type { Session } from "../session.ts";

export interface ChangeOptions {
  readonly reason?: string;
  readonly topic?: string;
  readonly limit: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly outOfOrder?: boolean;
}

type Change = z.infer<typeof changeOutput>;

export async function change(
  session: Session,
  api: Api,
  verb: "replay" | "discard",
  options: ChangeOptions,
): Promise<ExitCode> {
  const { texts, terminal } = session;
  const { deadLetters: t } = texts;
  // CONFIRM-1
  const mayAsk = terminal.inIsTerminal && terminal.errIsTerminal && !session.json;
  if (!options.dryRun && !options.yes && !mayAsk) {
    const fix = t.sayYesFix;
    return session.fail({ exit: EXIT.usage, code: "not_confirmed", message: t.sayYes, fix });
  }
  const ask = (dryRun: boolean): Promise<ApiResult<Change>> =>
    api.post<Change>(`/v1/dead-letters/${verb}`, requestBody(session, verb, options, dryRun));
  if (!options.yes || options.dryRun) {
    const preview = await ask(true);
    if (!preview.ok) return session.fail(preview.failure);
    const { matched, refusals } = printableCopy(preview.value);
    if (options.dryRun)
      return session.answer(preview.value, () => withReasons(t.would[verb](matched), refusals, t.wouldRefuse));
    if (matched === 0) return session.answer(preview.value, () => t.none);
    if (refusals.length > 0) terminal.note(withReasons("", refusals, t.wouldRefuse).trim());
    if (!(await isConfirmed(session, t.confirm[verb](matched)))) {
      terminal.note(t.nothingChanged);
      return EXIT.failed;
    }
  }
  const done = await ask(false);
  if (!done.ok) return session.fail(done.failure);
  const changed = Number(done.value[verb === "replay" ? "replayed" : "discarded"] ?? 0);
  const exit = done.value.refused > 0 ? EXIT.failed : EXIT.done;
  const text = ({ refused, refusals }: Change): string =>
    withReasons(t.did[verb](changed, refused), refusals, t.didRefuse);
  return session.answer(done.value, text, exit);
}

/** Adds a line for each reason why messages are not changed. */
function withReasons(text: string, refusals: Change["refusals"], say: (count: number, why: string) => string): string {
  return [text, ...refusals.map(({ count, why }) => `  ${say(count, why)}`)].join("\n");
}

function requestBody(session: Session, verb: "replay" | "discard", options: ChangeOptions, dryRun: boolean): object {
  const { reason, topic, limit, force, outOfOrder } = options;
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(topic === undefined ? {} : { topic }),
    limit,
    dry_run: dryRun,
    ...(verb === "replay" ? { force: force ?? false, out_of_order: outOfOrder ?? false } : {}),
    who: operator(session),
  };
}

/** The user that the audit records. */
export function operator({ env }: Session): string {
  const name = (env["USER"] ?? env["USERNAME"] ?? "").replace(/[^\w.@-]/g, "").slice(0, 100);
  return name === "" ? "cli" : name;
}

async function isConfirmed({ signal, terminal }: Session, question: string): Promise<boolean> {
  // Without an output stream: the terminal echoes the input, and no text bypasses the door.
  const lines = createInterface({ input: process.stdin });
  terminal.ask(`${question} [y/N] `);
  try {
    return /^(y|yes|はい)$/i.test((await lines.question("", { signal })).trim());
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  } finally {
    lines.close();
  }
}
