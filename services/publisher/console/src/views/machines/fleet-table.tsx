/**
 * One row per instance, one chip per actor. A row is drawn again only if its instance changed: 50 instances stay live at 100
 * events a second.
 */
import type { VNode } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { duration } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { ScrollBox } from "../../parts/scroll-box.tsx";
import { Shape, stateNames, toneOfValue } from "../../parts/state-badge.tsx";
import { now } from "../../state/clock.ts";
import type { LiveActor, LiveInstance } from "../../state/fleet.ts";
import { language } from "../../state/preferences.ts";
import { linkTo } from "../../state/router.ts";

interface FleetTableProps {
  readonly instances: readonly LiveInstance[];
  readonly chosen: string | null;
  readonly machine: string | null;
  readonly state: string | null;
}

export function FleetTable({ instances, chosen, machine, state }: FleetTableProps) {
  const shown = instances.filter((one) => matches(one, machine, state));
  return (
    <section class="card fleet" aria-label={t("fleet.title")}>
      <ScrollBox class="scroll" label={t("fleet.title")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("fleet.instance")}</th>
              <th scope="col">{t("fleet.actors")}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((instance) => (
              <InstanceRow key={instance.key} instance={instance} chosen={chosen} />
            ))}
          </tbody>
        </table>
        {shown.length === 0 && <p class="dim">{instances.length === 0 ? t("fleet.none") : t("fleet.noMatch")}</p>}
      </ScrollBox>
    </section>
  );
}

function InstanceRow({ instance, chosen }: { readonly instance: LiveInstance; readonly chosen: string | null }) {
  const words = language.value;
  const ours = chosen?.startsWith(`${instance.key}/`) === true ? chosen : null;
  // `words`: the chips depend on the language.
  const chips = useMemo(() => <Chips instance={instance} chosen={ours} />, [instance, ours, words]);
  const isStopped = instance.stoppedAt !== null;
  return (
    <tr data-instance={instance.key} data-status={isStopped ? "stopped" : "live"}>
      <th scope="row">
        <span class="name">{instance.instance}</span>
        <span class="dim">{t(`service.${instance.service}`)}</span>
        {isStopped ? <Stopped /> : <Uptime since={instance.startedAt} />}
      </th>
      <td>{chips}</td>
    </tr>
  );
}

function Uptime({ since }: { readonly since: number }) {
  const seconds = Math.max(1, Math.floor((now.value - since) / 1_000));
  return <span class="dim">{t("fleet.uptime", { time: duration(seconds * 1_000) })}</span>;
}

function Stopped() {
  return (
    <span class="badge tone-bad">
      <Shape tone="bad" />
      {t("fleet.stopped")}
    </span>
  );
}

function Chips({ instance, chosen }: { readonly instance: LiveInstance; readonly chosen: string | null }): VNode {
  return (
    <ul class="chips">
      {[...instance.actors.values()].map((actor) => {
        const key = `${instance.key}/${actor.actor}`;
        return (
          <li key={key}>
            <Chip actor={actor} actorKey={key} isChosen={key === chosen} />
          </li>
        );
      })}
    </ul>
  );
}

function Chip({
  actor,
  actorKey,
  isChosen,
}: {
  readonly actor: LiveActor;
  readonly actorKey: string;
  readonly isChosen: boolean;
}) {
  const seen = useRef(actor.movedAt);
  const hasMoved = actor.movedAt !== seen.current;
  seen.current = actor.movedAt;
  const tone = toneOfValue(actor.value);
  return (
    <a
      class={`chip tone-${tone}${hasMoved ? " moved" : ""}`}
      href={linkTo("/machines", { actor: actorKey })}
      data-actor={actorKey}
      {...(isChosen ? { "aria-current": "true" as const } : {})}
    >
      <Shape tone={tone} />
      <b>{actor.actor}</b> {stateNames(actor.value).join(" · ")}
    </a>
  );
}

function matches({ actors }: LiveInstance, machine: string | null, state: string | null): boolean {
  if (machine === null || state === null) return true;
  return [...actors.values()].some((actor) => actor.machine === machine && stateNames(actor.value).includes(state));
}
