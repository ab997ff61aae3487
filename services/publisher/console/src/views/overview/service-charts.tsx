/** Small statecharts of both services, with the active states of the first live instance of each. */
import { t } from "../../i18n/text.ts";
import { StateBadge, stateNames } from "../../parts/state-badge.tsx";
import { MiniPicture } from "../../parts/state-picture.tsx";
import type { LiveInstance } from "../../state/fleet.ts";
import { definitions, fleet, pulse } from "../../state/live.ts";
import { linkTo } from "../../state/router.ts";

const SHOWN = { publisher: ["link", "dispatcher", "supervisor"], acker: ["link", "receiver", "supervisor"] } as const;

export function ServiceCharts() {
  pulse.value;
  const instances = fleet.list();
  return (
    <section class="service-charts">
      {(["publisher", "acker"] as const).map((service) => {
        const ours = instances.filter((one) => one.service === service);
        const shown = ours.find((one) => one.stoppedAt === null) ?? ours[0];
        return <ServiceCard key={service} service={service} instance={shown} total={ours.length} />;
      })}
    </section>
  );
}

interface ServiceCardProps {
  readonly service: "publisher" | "acker";
  readonly instance: LiveInstance | undefined;
  readonly total: number;
}

function ServiceCard({ service, instance, total }: ServiceCardProps) {
  return (
    <article class="card service">
      <h2>
        {t(`service.${service}`)}
        {instance !== undefined && <span class="dim"> {instance.instance}</span>}
        {total > 1 && <a href="#/machines">{t("service.more", { count: total - 1 })}</a>}
      </h2>
      {instance === undefined && <p class="dim">{t("service.none")}</p>}
      <div class="minis">
        {SHOWN[service].map((role) => {
          const actor = instance?.actors.get(role);
          const definition = actor === undefined ? undefined : definitions.value.get(actor.machine);
          if (instance === undefined || actor === undefined) return null;
          return (
            <a
              key={role}
              class="mini"
              data-mini={`${service}/${role}`}
              href={linkTo("/machines", { actor: `${instance.key}/${role}` })}
            >
              <span class="mini-head">
                <b>{role}</b>
                {instance.stoppedAt === null ? (
                  stateNames(actor.value).map((name) => <StateBadge key={name} state={name} />)
                ) : (
                  <StateBadge state="stopped" label={t("fleet.stopped")} />
                )}
              </span>
              {definition !== undefined && <MiniPicture definition={definition} actor={actor} />}
            </a>
          );
        })}
      </div>
    </article>
  );
}
