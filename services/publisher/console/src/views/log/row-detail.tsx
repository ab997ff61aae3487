/** The frozen row: its event, and chart and context at that time. */
import { clockTime, dateTime } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { ContextView } from "../../parts/context-view.tsx";
import { StateBadge, stateNames } from "../../parts/state-badge.tsx";
import { Picture } from "../../parts/state-picture.tsx";
import { actorOf, type LiveActor } from "../../state/fleet.ts";
import type { Row } from "../../state/journal.ts";
import { linkTo } from "../../state/router.ts";
import { actorSeen, charts } from "../../state/viewpoint.ts";
import { wordsOf } from "./row-words.ts";

export function RowDetail({ row }: { readonly row: Row }) {
  const { who, what, where } = wordsOf(row);
  const actor = actorBehind(row);
  const definition = actor === null ? undefined : charts.value.get(actor.machine);
  return (
    <section class="card row-detail" aria-label={t("log.detail")} data-detail-row={row.number}>
      <h2>{what}</h2>
      <p class="dim">
        <time dateTime={new Date(row.ts).toISOString()} title={dateTime(row.ts)}>
          {clockTime(row.ts)}
        </time>{" "}
        · {who} · {where}
      </p>
      {row.step !== null && (
        <p>
          <a href={linkTo(`/messages/${row.step.message_id}`)}>{t("log.toMessage")}</a>
        </p>
      )}
      {actor !== null && (
        <>
          <p class="states-now">
            <b>{actor.actor}</b>
            {stateNames(actor.value).map((name) => (
              <StateBadge key={name} state={name} />
            ))}
          </p>
          {definition !== undefined && <Picture definition={definition} actor={actor} at={row.ts} />}
          <h3>{t("actor.context")}</h3>
          <ContextView value={actor.context} />
        </>
      )}
    </section>
  );
}

/** The row's actor; for a step of a message the link of its instance. */
function actorBehind({ event }: Row): LiveActor | null {
  if (event.kind !== "deliveries") return actorOf(event);
  return actorSeen(`${event.service}/${event.instance}/link`);
}
