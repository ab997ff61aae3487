/** The log: filters, pause, time travel, sequence diagram, recordings. */
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

/** A message's moments have the database's clock, the log's rows the instances'. */
const AT_MARGIN_MS = 20;
/** Rows before and after the frozen one in the sequence diagram. */
const AROUND = 15;

export function LogView() {
  const rows = seenRows.value;
  const { params } = route.value;
  const filter = filterOf(params);
  // `params` changes with the address, and `filter` follows from it.
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

/** Draws the rows only while the card is open. */
function SequenceCard({ shown, row }: { readonly shown: readonly Row[]; readonly row: Row | null }) {
  const [isOpen, setOpen] = useState(false);
  const range = span.value;
  const drawn = useMemo(() => {
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
      {isOpen && <SequenceDiagram rows={drawn} />}
    </details>
  );
}

/**
 * An address with a time freezes the page there once: a message's timeline links to its moments in the log.
 * @returns the time, if the log does not reach back to it
 */
function useFreezeAt(at: string | null, shown: readonly Row[]): string | null {
  const [missed, setMissed] = useState<string | null>(null);
  const hasRows = shown.length > 0;
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
