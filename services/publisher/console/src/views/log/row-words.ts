/** A row of the journal in words. */
import { count } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { stateNames } from "../../parts/state-badge.tsx";
import { onlyCounted, type Row } from "../../state/journal.ts";

export interface RowWords {
  readonly who: string;
  readonly what: string;
  /** The state after it, or topic and message id. */
  readonly where: string;
}

export function wordsOf(row: Row): RowWords {
  const { event, step, kind, lost } = row;
  const instance = `${event.service}/${event.instance}`;
  if (kind === "gap") return { who: instance, what: t("log.gap", { count: count(lost) }), where: "" };
  if (step !== null) {
    const attempt = step.attempt === undefined ? "" : ` #${step.attempt}`;
    const detail = step.detail === undefined ? "" : ` (${reasonWords(step.step, step.detail)})`;
    const what = `${t(`step.${step.step}`)}${attempt}${detail}`;
    return { who: instance, what, where: `${step.topic} ${step.message_id}` };
  }
  if (event.kind === "deliveries")
    return { who: instance, what: t("log.onlyCounted", { count: count(onlyCounted(event)) }), where: "" };
  return {
    who: `${event.actor} · ${instance}`,
    what: eventWords(event.kind, event.event),
    where: stateNames(event.value).join(" · "),
  };
}

function eventWords(kind: "started" | "transition" | "context" | "stopped", event: string | null): string {
  if (kind === "transition") return event ?? t("log.moved");
  return t(`log.${kind}`);
}

function reasonWords(step: string, detail: string | number): string {
  return step === "puback" && typeof detail === "number" ? `0x${detail.toString(16).padStart(2, "0")}` : String(detail);
}
