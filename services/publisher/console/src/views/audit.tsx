/** The audit, newest first: who requested which action, and its outcome. For admins. */
import { useState } from "preact/hooks";
import type { AuditAction, AuditPage } from "../api/principal.ts";
import { count, dateTime } from "../i18n/format.ts";
import { t, textOf } from "../i18n/text.ts";
import { Fault } from "../parts/fault.tsx";
import { Pager } from "../parts/pager.tsx";
import { ScrollBox } from "../parts/scroll-box.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { usePolled } from "../state/poll.ts";
import { linkTo, route, setParams } from "../state/router.ts";

const EVERY_MS = 5_000;
const PAGE = 50;

export function AuditView() {
  const { params } = route.value;
  const [who, action, before] = [params.get("who"), params.get("action"), params.get("before")];
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const [name, value] of Object.entries({ who, action, before })) if (value !== null) query.set(name, value);
  const { value: page, fault } = usePolled<AuditPage>(`/v1/audit?${query}`, EVERY_MS);
  return (
    <div class="audit">
      <div class="view-head">
        <h1>{t("nav.audit")}</h1>
      </div>
      <Filter key={`${who} ${action}`} who={who} action={action} />
      {fault !== null && fault.status !== 401 && <Fault refusal={fault} />}
      <section class="card">
        <Actions actions={page?.actions ?? null} />
        <Pager path="/audit" filters={{ who, action }} before={before} next={page?.next_before ?? null} />
      </section>
    </div>
  );
}

function Filter(given: { readonly who: string | null; readonly action: string | null }) {
  const [who, setWho] = useState(given.who ?? "");
  const [action, setAction] = useState(given.action ?? "");
  return (
    <form
      class="toolbar card"
      onSubmit={(event) => {
        event.preventDefault();
        setParams({ who: who.trim() || null, action: action.trim() || null, before: null });
      }}
    >
      <label class="grow">
        {t("audit.who")}
        <input type="search" value={who} onInput={(event) => setWho(event.currentTarget.value)} />
      </label>
      <label class="grow">
        {t("audit.action")}
        <input type="search" value={action} onInput={(event) => setAction(event.currentTarget.value)} />
      </label>
      <button type="submit" class="plain">
        {t("messages.filter")}
      </button>
    </form>
  );
}

function Actions({ actions }: { readonly actions: readonly AuditAction[] | null }) {
  if (actions === null) return <p class="dim">{t("messages.loading")}</p>;
  if (actions.length === 0) return <p class="dim">{t("audit.none")}</p>;
  return (
    <ScrollBox class="scroll-x" label={t("nav.audit")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("audit.at")}</th>
            <th scope="col">{t("audit.who")}</th>
            <th scope="col">{t("audit.action")}</th>
            <th scope="col">{t("audit.outcome")}</th>
            <th scope="col">{t("audit.origin")}</th>
            <th scope="col" class="number">
              {t("nav.messages")}
            </th>
            <th scope="col">{t("audit.detail")}</th>
          </tr>
        </thead>
        <tbody>
          {actions.map((one) => (
            <Line key={one.action_id} line={one} />
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

function Line({ line: { action_id, at, who, said, action, outcome, origin, messages, detail } }: LineProps) {
  return (
    <tr data-action={action_id}>
      <td>
        <time dateTime={at}>{dateTime(at)}</time>
      </td>
      <th scope="row">
        <a href={linkTo("/audit", { who })}>{who}</a>
        {said != null && said !== who && (
          <span class="dim" title={t("audit.saidWhy")}>
            {" "}
            {t("audit.said", { name: said })}
          </span>
        )}
      </th>
      <td>
        <a href={linkTo("/audit", { action })}>{action}</a>
      </td>
      <td>
        <StateBadge state={`audit.${outcome}`} label={textOf(`audit.outcome.${outcome}`) ?? outcome} />
      </td>
      <td>{origin}</td>
      <td class="number">{count(messages)}</td>
      <td class="topic detail">
        <code class="value">{wordsOf(detail)}</code>
      </td>
    </tr>
  );
}

interface LineProps {
  readonly line: AuditAction;
}

function wordsOf(detail: unknown): string {
  const text = detail === null || detail === undefined ? "" : JSON.stringify(detail);
  return text === "{}" ? "" : text;
}
