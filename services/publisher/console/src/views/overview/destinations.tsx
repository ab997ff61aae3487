/** Destinations: last answers, waiting messages, and which are parked. */
import type { Destination } from "../../api/types.ts";
import { count } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { ScrollBox } from "../../parts/scroll-box.tsx";
import { AgeOf, Ago } from "../../parts/since.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { linkTo } from "../../state/router.ts";

const SHOWN = 50;

export function Destinations({ destinations }: { readonly destinations: readonly Destination[] | null }) {
  const rows = destinations?.slice(0, SHOWN) ?? [];
  return (
    <section class="card destinations">
      <h2>{t("destinations.title")}</h2>
      {rows.length === 0 && <p class="dim">{t("destinations.none")}</p>}
      {rows.length > 0 && (
        <ScrollBox class="scroll-x" label={t("destinations.title")}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t("destinations.name")}</th>
                <th scope="col">{t("destinations.state")}</th>
                <th scope="col" class="number">
                  {t("destinations.waiting")}
                </th>
                <th scope="col" class="number">
                  {t("destinations.unacked")}
                </th>
                <th scope="col">{t("destinations.oldest")}</th>
                <th scope="col">{t("destinations.lastAnswer")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <DestinationRow key={row.name} row={row} />
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}

function DestinationRow({ row }: { readonly row: Destination }) {
  return (
    <tr data-destination={row.name}>
      <th scope="row" class="topic">
        <a href={linkTo("/messages", { topic: row.name })}>{row.name}</a>
      </th>
      <td>
        {row.parked ? (
          <StateBadge state="PAUSED" label={t("destinations.parked")} />
        ) : (
          <StateBadge state="ok" label={t("destinations.open")} />
        )}
      </td>
      <td class="number">{count(row.waiting)}</td>
      <td class="number">{count(row.unacked)}</td>
      <td>{row.oldest_at === null ? "–" : <AgeOf at={Date.parse(row.oldest_at)} />}</td>
      <td>{row.last_answer_at === null ? t("destinations.never") : <Ago at={Date.parse(row.last_answer_at)} />}</td>
    </tr>
  );
}
