/** Every actor of every instance, and the statechart of the selected one. */
import { ago } from "../i18n/format.ts";
import { t } from "../i18n/text.ts";
import { now } from "../state/clock.ts";
import { pulse } from "../state/live.ts";
import { route } from "../state/router.ts";
import { actorSeen, seenFleet } from "../state/viewpoint.ts";
import { ActorDetail } from "./machines/actor-detail.tsx";
import { FleetTable } from "./machines/fleet-table.tsx";
import { FrozenNotice } from "./machines/frozen-notice.tsx";
import { StateCounts } from "./machines/state-counts.tsx";

export function MachinesView() {
  pulse.value;
  const { params } = route.value;
  const instances = seenFleet.value.list();
  const live = instances.filter((instance) => instance.stoppedAt === null);
  const chosen = params.get("actor") ?? firstActor(live[0]?.key ?? instances[0]?.key);
  const actor = chosen === null ? null : actorSeen(chosen);
  const instance = chosen === null ? undefined : seenFleet.value.get(chosen.slice(0, chosen.lastIndexOf("/")));
  return (
    <div class="machines">
      <div class="view-head">
        <h1>{t("nav.machines")}</h1>
        <span class="dim" data-instances={live.length}>
          {t("machines.count", { live: live.length, stopped: instances.length - live.length })}
        </span>
      </div>
      <FrozenNotice />
      <StateCounts instances={live} machine={params.get("machine")} state={params.get("state")} />
      <div class="machines-grid">
        <FleetTable instances={instances} chosen={chosen} machine={params.get("machine")} state={params.get("state")} />
        {chosen !== null && actor !== null ? (
          <ActorDetail key={chosen} actorKey={chosen} actor={actor} stoppedAt={instance?.stoppedAt ?? null} />
        ) : (
          <section class="card dim">
            {chosen === null ? t("machines.none") : t("machines.notKnown", { actor: chosen })}
          </section>
        )}
      </div>
      {instance?.stoppedAt != null && (
        <p class="dim">{t("machines.stopped", { ago: ago(now.value - instance.stoppedAt) })}</p>
      )}
    </div>
  );
}

function firstActor(instance: string | undefined): string | null {
  return instance === undefined ? null : `${instance}/link`;
}
