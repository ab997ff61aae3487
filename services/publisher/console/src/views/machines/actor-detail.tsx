/** The selected actor: commands, statechart, outline, context. */
import type { Command, StateValue } from "@acktor/shared/inspect/wire";
import { useState } from "preact/hooks";
import { clockTime } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { ContextView } from "../../parts/context-view.tsx";
import { ScopedButton } from "../../parts/scoped-button.tsx";
import { StateBadge, stateNames } from "../../parts/state-badge.tsx";
import { Picture } from "../../parts/state-picture.tsx";
import type { LiveActor } from "../../state/fleet.ts";
import { linkTo } from "../../state/router.ts";
import { charts, frozen, recording, seenFleet } from "../../state/viewpoint.ts";
import { CommandDialog } from "./command-dialog.tsx";

interface ActorDetailProps {
  readonly actorKey: string;
  readonly actor: LiveActor;
  readonly stoppedAt: number | null;
}

export function ActorDetail({ actorKey, actor, stoppedAt }: ActorDetailProps) {
  const definition = charts.value.get(actor.machine);
  const past = frozen.value === null ? {} : { at: frozen.value.ts };
  const isPast = frozen.value !== null || recording.value !== null || stoppedAt !== null;
  return (
    <section class="card actor" aria-label={actorKey} data-detail={actorKey}>
      <div class="actor-head">
        <h2>
          {actor.actor} <span class="dim">{`${actor.service}/${actor.instance}`}</span>
        </h2>
        <span class="states-now">
          {stoppedAt === null ? (
            stateNames(actor.value).map((name) => <StateBadge key={name} state={name} />)
          ) : (
            <StateBadge state="ERROR" label={t("fleet.stopped")} />
          )}
        </span>
        <span class="spacer" />
        <a href={linkTo("/log", { actor: actorKey })}>{t("actor.log")}</a>
      </div>
      {!isPast && <Commands actor={actor} />}
      <p class="dim last-event">
        {actor.event === null
          ? t("actor.noEvent")
          : t("actor.lastEvent", { event: actor.event, time: clockTime(actor.movedAt) })}
      </p>
      {definition === undefined ? (
        <p class="dim">{t("actor.noChart")}</p>
      ) : (
        <Picture definition={definition} actor={actor} counts={countsOf(actor.machine)} hasOutline={true} {...past} />
      )}
      <details open>
        <summary>{t("actor.context")}</summary>
        <ContextView value={actor.context} />
      </details>
    </section>
  );
}

/** Number of live actors of a machine in each state; empty for one actor. */
function countsOf(machine: string): Record<string, number> {
  const live = seenFleet.value.list().filter((instance) => instance.stoppedAt === null);
  const actors = live.flatMap(({ actors: all }) => [...all.values()].filter((one) => one.machine === machine));
  const counts: Record<string, number> = {};
  if (actors.length < 2) return counts;
  for (const { value } of actors) {
    for (const path of pathsOf(value)) counts[`${machine}.${path}`] = (counts[`${machine}.${path}`] ?? 0) + 1;
  }
  return counts;
}

function pathsOf(value: StateValue): string[] {
  if (typeof value === "string") return [value];
  return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner).map((path) => `${key}.${path}`));
}

function Commands({ actor }: { readonly actor: LiveActor }) {
  const [asked, setAsked] = useState<Command | null>(null);
  if (actor.can.length === 0) return null;
  return (
    <section class="commands" aria-label={t("actor.commands")}>
      {actor.can.map((command) => (
        <ScopedButton
          key={command}
          scope="operate"
          class="plain"
          data-command={command}
          onClick={() => setAsked(command)}
        >
          {t(`command.${command}`)}
        </ScopedButton>
      ))}
      {asked !== null && <CommandDialog command={asked} actor={actor} onClose={() => setAsked(null)} />}
    </section>
  );
}
