/** The publisher's dependencies: PostgreSQL, the broker, NATS, and the ackers that are online. */
import type { AckerSeen, Dependency, Overview } from "../../api/types.ts";
import { count } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { Ago } from "../../parts/since.tsx";
import { Shape } from "../../parts/state-badge.tsx";
import type { Tone } from "../../parts/tone.ts";
import { bus } from "../../state/live.ts";

const TONES: Readonly<Record<Dependency["status"], Tone>> = { ok: "ok", away: "bad", off: "idle" };

export function Dependencies({ overview }: { readonly overview: Overview | null }) {
  const named = overview?.dependencies ?? [];
  return (
    <section class="card dependencies">
      <h2>{t("dependencies.title")}</h2>
      <ul>
        {named.map((one) => (
          <DependencyRow key={one.name} dependency={one.name === "nats" ? natsOf(one) : one} />
        ))}
        <Ackers ackers={overview?.ackers ?? []} isKnown={overview !== null} />
      </ul>
    </section>
  );
}

/** The event stream reports the state of NATS earlier than the overview. */
function natsOf(reported: Dependency): Dependency {
  const state = bus.value;
  if (state?.kind !== "nats") return reported;
  return { ...reported, status: state.connected ? "ok" : "away" };
}

function DependencyRow({ dependency: { name, status, state, detail, address } }: { readonly dependency: Dependency }) {
  return (
    <li data-dependency={name} data-status={status}>
      <Shape tone={TONES[status]} />
      <b>{t(`dependency.${name}`)}</b>
      <span>{state ?? t(`dependency.${status}`)}</span>
      {address !== undefined && <span class="dim">{address}</span>}
      {detail !== null && <span class="detail">{detail}</span>}
    </li>
  );
}

function Ackers({ ackers, isKnown }: { readonly ackers: readonly AckerSeen[]; readonly isKnown: boolean }) {
  const online = ackers.filter((acker) => acker.online);
  const newest = [...ackers].sort((a, b) => b.since - a.since)[0];
  return (
    <li data-dependency="ackers" data-status={online.length > 0 ? "ok" : "away"}>
      <Shape tone={online.length > 0 ? "ok" : isKnown ? "warn" : "idle"} />
      <b>{t("dependency.ackers")}</b>
      <span>{t("dependency.online", { count: count(online.length) })}</span>
      {newest !== undefined && (
        <span class="dim">
          {newest.instance}, <Ago at={newest.since} />
        </span>
      )}
    </li>
  );
}
