/** What happened, in order: filters, pause, time travel, a sequence diagram, recordings. */
import { useEffect, useMemo, useState } from "preact/hooks";
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

/** Rows before and after the frozen one that make its window. */
const AROUND = 15;

export function LogView() {
  const rows = seenRows.value;
  const { params } = route.value;
  const filter = filterOf(params);
  // The filter is made anew with each address
  const shown = useMemo(() => rows.filter((row) => matchesRow(row, filter)), [rows, params]);
  const row = frozen.value;
  useFreezeAt(params.get("at"), shown);
  return (
    <div class="log">
      <div class="view-head">
        <h1>{t("nav.log")}</h1>
      </div>
      <Toolbar rows={rows} filter={filter} shown={shown.length} />
      <FrozenNotice />
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

/** An address that names a moment freezes there, once: a message's timeline links to the log of its moments. */
function useFreezeAt(at: string | null, shown: readonly Row[]): void {
  const moment = at === null ? Number.NaN : Date.parse(at);
  const hasRows = shown.length > 0;
  // Once per address, as soon as there are rows
  useEffect(() => {
    if (Number.isNaN(moment) || !hasRows) return;
    const row = shown.find(({ ts }) => ts >= moment) ?? shown.at(-1);
    if (row !== undefined) freeze(row);
    setParams({ at: null });
  }, [moment, hasRows]);
}
