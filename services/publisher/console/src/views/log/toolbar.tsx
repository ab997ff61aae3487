/** The log's filters, pause, export, and opening of a recording. */
import { FORM_WORDS } from "@acktor/shared/texts/form-words";
import { useMemo, useRef, useState } from "preact/hooks";
import { count } from "../../i18n/format.ts";
import { t, textOf } from "../../i18n/text.ts";
import type { Row } from "../../state/journal.ts";
import { language } from "../../state/preferences.ts";
import { type Opened, openRecording, toJsonLines } from "../../state/recording.ts";
import { setParams } from "../../state/router.ts";
import { behind, charts, open, pause, pausedRows, recording, thaw } from "../../state/viewpoint.ts";
import { choicesOf, type LogFilter } from "./filter.ts";

interface ToolbarProps {
  readonly rows: readonly Row[];
  readonly filter: LogFilter;
  readonly shown: number;
}

const GROUPS = ["all", "machines", "context", "messages", "gap"] as const;

export function Toolbar({ rows, filter, shown }: ToolbarProps) {
  // The choices are updated every 200 rows: a select that changes under the pointer is unusable.
  const era = Math.floor((rows.at(-1)?.number ?? 0) / 200);
  const { actors, types } = useMemo(() => choicesOf(rows), [era, rows.length === 0, recording.value]);
  const listed = filter.actor === null || actors.includes(filter.actor) ? actors : [filter.actor, ...actors];
  return (
    <section class="toolbar card" aria-label={t("log.filters")}>
      <label>
        {t("log.actor")}
        <select value={filter.actor ?? ""} onChange={(e) => setParams({ actor: e.currentTarget.value || null })}>
          <option value="">{t("log.anyActor")}</option>
          {listed.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <TypeSelect chosen={filter.type} types={types} />
      <label class="grow">
        {t("log.text")}
        <input
          type="search"
          value={filter.text}
          placeholder={t("log.textHint")}
          onInput={(e) => setParams({ text: e.currentTarget.value || null })}
        />
      </label>
      <PauseButton />
      <Files rows={rows} />
      <span class="dim" data-shown={shown}>
        {t("log.shown", { shown: count(shown), total: count(rows.length) })}
      </span>
    </section>
  );
}

function TypeSelect({ chosen, types }: { readonly chosen: string; readonly types: readonly string[] }) {
  return (
    <label>
      {t("log.type")}
      <select value={chosen} onChange={(e) => setParams({ type: e.currentTarget.value || null })}>
        <option value="">{t("log.type.default")}</option>
        {GROUPS.map((group) => (
          <option key={group} value={group}>
            {t(`log.type.${group}`)}
          </option>
        ))}
        {types.map((type) => (
          <option key={type} value={type}>
            {typeWords(type)}
          </option>
        ))}
      </select>
    </label>
  );
}

function typeWords(type: string): string {
  return type.startsWith("step:") ? (textOf(`step.${type.slice(5)}`) ?? type) : type.slice(6);
}

function PauseButton() {
  if (recording.value !== null) return null;
  const isPaused = pausedRows.value !== null;
  return (
    <button
      type="button"
      class={isPaused ? "primary" : "plain"}
      aria-pressed={isPaused}
      onClick={isPaused ? thaw : pause}
    >
      {isPaused ? t("log.resume", { count: count(behind.value) }) : t("log.pause")}
    </button>
  );
}

function Files({ rows }: { readonly rows: readonly Row[] }) {
  const input = useRef<HTMLInputElement>(null);
  const [fault, setFault] = useState<string | null>(null);
  const choose = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    const opened = await openRecording(file);
    setFault(opened.ok ? null : faultWords(opened));
    if (opened.ok) open(opened.recording);
  };
  return (
    <>
      <button type="button" class="plain" onClick={() => save(rows)} disabled={rows.length === 0}>
        {t("log.export")}
      </button>
      <button type="button" class="plain" onClick={() => input.current?.click()}>
        {t("log.open")}
      </button>
      <input
        ref={input}
        type="file"
        class="hidden-file"
        tabIndex={-1}
        aria-label={t("log.open")}
        accept=".jsonl,application/x-ndjson"
        onChange={(e) => {
          void choose(e.currentTarget.files?.[0]);
          e.currentTarget.value = "";
        }}
      />
      {fault !== null && (
        <span class="fault" role="alert">
          {fault}
        </span>
      )}
    </>
  );
}

function faultWords({ line, fault }: Exclude<Opened, { ok: true }>): string {
  if (fault === "too_large") return t("log.fault.too_large");
  const { field, wanted } = fault;
  const place = field === "" ? t("log.fault.whole") : field;
  return t("log.fault.line", { line, field: place, why: FORM_WORDS[language.value][wanted] });
}

/** Downloads the rows as a file. */
function save(rows: readonly Row[]): void {
  const text = toJsonLines(rows, [...charts.peek().values()]);
  const address = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `acktor-${new Date().toISOString().replace(/[:.]/g, "-")}.jsonl`;
  link.click();
  // The download has started by then, and the text can be released.
  setTimeout(() => URL.revokeObjectURL(address), 1_000);
}
