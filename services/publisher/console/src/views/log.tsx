/** What happened, in order: filters, pause, time travel, a sequence diagram, recordings. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { dateTime } from "../i18n/format.ts";
import { t } from "../i18n/text.ts";
import type { Row } from "../state/journal.ts";
import { route, setParams } from "../state/router.ts";
import { freeze, frozen, rows as seenRows, span } from "../state/viewpoint.ts";
import { filterOf, matchesRow } from "./log/filter.ts";
import { RowDetail } from "./log/row-detail.tsx";
import { RowList } from "./log/row-list.tsx";
import { SequenceDiagram } from "./log/sequence-diagram.tsx";
import { Toolbar } from "./log/toolbar.tsx";
import { FrozenNotice } from "./machines/frozen-notice.tsx";

/** The database's clock tells a message's moments, the instances' clocks the log's. */
const AT_MARGIN_MS = 20;
/** Rows before and after the frozen one that make its window. */
const AROUND = 15;

export function LogView() {
  const rows = seenRows.value;
  const { params } = route.value;
  const filter = filterOf(params);
  // The filter is made anew with each address
  const shown = useMemo(() => rows.filter((row) => matchesRow(row, filter)), [rows, params]);
  const row = frozen.value;
  const missed = useFreezeAt(params.get("at"), shown);
  return (
    <div class="log">
      <div class="view-head">
        <h1>{t("nav.log")}</h1>
      </div>
      <Toolbar rows={rows} filter={filter} shown={shown.length} />
      <FrozenNotice />
      {missed !== null && row === null && (
        <p class="notice tone-warn" role="status">
          {t("log.tooOld", { time: dateTime(missed) })}
        </p>
      )}
      <div class={row === null ? "log-grid" : "log-grid with-detail"}>
        <section class="card rows-card">
          {shown.length === 0 && <p class="dim">{rows.length === 0 ? t("log.none") : t("log.noMatch")}</p>}
          <RowList rows={shown} />
        </section>
        {row !== null && <RowDetail row={row} />}
      </div>
      <SequenceCard shown={shown} row={row} />
    </div>
  );
}

/** The window that is drawn is taken when it is asked for, and stands still as the log goes on. */
function SequenceCard({ shown, row }: { readonly shown: readonly Row[]; readonly row: Row | null }) {
  const [isOpen, setOpen] = useState(false);
  const range = span.value;
  const window = useMemo(() => {
    if (!isOpen) return [];
    if (range !== null) return shown.filter(({ number }) => number >= range.from && number <= range.to);
    if (row === null) return shown.slice(-2 * AROUND);
    const at = shown.findIndex(({ number }) => number >= row.number);
    return shown.slice(Math.max(0, at - AROUND), at + AROUND);
  }, [isOpen, range, row, shown]);
  return (
    <details class="card sequence-card" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("sequence.title")}</summary>
      <p class="dim">{t("sequence.hint")}</p>
      {isOpen && <SequenceDiagram rows={window} />}
    </details>
  );
}

/**
 * An address that names a moment freezes there, once: a message's timeline links to the log of its moments.
 * @returns the moment, where the log does not reach back to it
 */
function useFreezeAt(at: string | null, shown: readonly Row[]): string | null {
  const [missed, setMissed] = useState<string | null>(null);
  const hasRows = shown.length > 0;
  // Once per address, as soon as there are rows.
  useEffect(() => {
    const moment = at === null ? Number.NaN : Date.parse(at);
    if (Number.isNaN(moment) || !hasRows) return;
    const row = shown.findLast(({ ts }) => ts <= moment + AT_MARGIN_MS);
    if (row === undefined) setMissed(at);
    else freeze(row);
    setParams({ at: null });
  }, [at, hasRows]);
  return missed;
}
