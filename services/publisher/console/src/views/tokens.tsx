/** Lists, creates and revokes the tokens of principals. For admins. */
import { useState } from "preact/hooks";
import { remove } from "../api/client.ts";
import type { Principal } from "../api/principal.ts";
import { dateTime } from "../i18n/format.ts";
import { t } from "../i18n/text.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Fault } from "../parts/fault.tsx";
import { ScrollBox } from "../parts/scroll-box.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { now } from "../state/clock.ts";
import { usePolled } from "../state/poll.ts";
import { CreateToken } from "./tokens/create-token.tsx";

const EVERY_MS = 5_000;

export function TokensView() {
  const { value, fault, again } = usePolled<{ readonly principals: readonly Principal[] }>("/v1/principals", EVERY_MS);
  const [asked, setAsked] = useState<string | null>(null);
  return (
    <div class="tokens">
      <div class="view-head">
        <h1>{t("nav.tokens")}</h1>
        <span class="spacer" />
        <CreateToken onMade={again} />
      </div>
      {fault !== null && fault.status !== 401 && <Fault refusal={fault} />}
      <section class="card">
        <Table principals={value?.principals ?? null} onRevoke={setAsked} />
      </section>
      {asked !== null && (
        <Confirm
          title={t("tokens.revokeOf", { name: asked })}
          verb={t("tokens.revoke")}
          isDanger={true}
          act={() => remove(`/v1/principals/${encodeURIComponent(asked)}`)}
          onDone={() => {
            setAsked(null);
            again();
          }}
          onClose={() => setAsked(null)}
        >
          <p>{t("tokens.revoke.does")}</p>
        </Confirm>
      )}
    </div>
  );
}

interface TableProps {
  readonly principals: readonly Principal[] | null;
  readonly onRevoke: (name: string) => void;
}

function Table({ principals, onRevoke }: TableProps) {
  if (principals === null) return <p class="dim">{t("messages.loading")}</p>;
  if (principals.length === 0) return <p class="dim">{t("tokens.none")}</p>;
  return (
    <ScrollBox class="scroll-x" label={t("nav.tokens")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("tokens.name")}</th>
            <th scope="col">{t("message.state")}</th>
            <th scope="col">{t("who.scopes")}</th>
            <th scope="col">{t("who.write")}</th>
            <th scope="col">{t("who.read")}</th>
            <th scope="col">{t("message.expires")}</th>
            <th scope="col">{t("message.created")}</th>
            <td />
          </tr>
        </thead>
        <tbody>
          {principals.map((one) => (
            <Line key={one.name} principal={one} onRevoke={onRevoke} />
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

interface LineProps {
  readonly principal: Principal;
  readonly onRevoke: (name: string) => void;
}

function Line({ principal, onRevoke }: LineProps) {
  const { name, scopes, topics, expires_at, created_at, created_by } = principal;
  const state = stateOf(principal);
  return (
    <tr data-principal={name} data-state={state}>
      <th scope="row">{name}</th>
      <td>
        <StateBadge state={state === "inForce" ? "ok" : "idle"} label={t(`tokens.${state}`)} />
      </td>
      <td>{scopes.join(", ")}</td>
      <td class="topic">{topics.write.join(", ")}</td>
      <td class="topic">{topics.read.join(", ")}</td>
      <td>{expires_at === null ? t("message.never") : dateTime(expires_at)}</td>
      <td>
        {dateTime(created_at)} <span class="dim">{created_by}</span>
      </td>
      <td>
        {state === "inForce" && (
          <button type="button" class="plain" onClick={() => onRevoke(name)}>
            {t("tokens.revoke")}
          </button>
        )}
      </td>
    </tr>
  );
}

function stateOf({ revoked_at, expires_at }: Principal): "revoked" | "expired" | "inForce" {
  if (revoked_at !== null) return "revoked";
  return expires_at !== null && Date.parse(expires_at) <= now.value ? "expired" : "inForce";
}
