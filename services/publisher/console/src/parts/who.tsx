/** The signed-in principal: a button with the name, and a dialog with the rights and the sign-out. */
import { useState } from "preact/hooks";
import type { Me } from "../api/principal.ts";
import { count, dateTime } from "../i18n/format.ts";
import { t } from "../i18n/text.ts";
import { me } from "../state/me.ts";
import { isRefused, signOut, token } from "../state/session.ts";
import { Dialog } from "./dialog.tsx";

export function Who() {
  const [isOpen, setOpen] = useState(false);
  const known = me.value;
  if (isRefused.value) return null;
  if (known === null) {
    if (token.value === null) return null;
    return (
      <button type="button" class="plain" onClick={signOut}>
        {t("token.forget")}
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        class="plain who"
        data-me={known.name}
        aria-haspopup="dialog"
        aria-label={t("who.label", { name: known.name })}
        onClick={() => setOpen(true)}
      >
        {known.name}
      </button>
      {isOpen && <Rights me={known} onClose={() => setOpen(false)} />}
    </>
  );
}

function Rights({ me: known, onClose }: { readonly me: Me; readonly onClose: () => void }) {
  const facts: readonly (readonly [string, string])[] = [
    [t("who.scopes"), known.scopes.join(", ")],
    [t("who.write"), known.topics.write.join(", ") || t("limited.none")],
    [t("who.read"), known.topics.read.join(", ") || t("limited.none")],
    [t("who.rate"), limit(known.requests_per_second)],
    [t("who.waiting"), limit(known.most_waiting)],
    [t("message.expires"), known.expires_at === null ? t("message.never") : dateTime(known.expires_at)],
  ];
  return (
    <Dialog title={t("who.label", { name: known.name })} onClose={onClose}>
      {!known.authenticated && <p class="dim">{t("who.open")}</p>}
      <dl class="context dialog-body">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div class="actions">
        <button type="button" class="plain" onClick={signOut}>
          {t(known.authenticated ? "token.forget" : "token.submit")}
        </button>
        <button type="button" class="primary" onClick={onClose}>
          {t("dialog.cancel")}
        </button>
      </div>
    </Dialog>
  );
}

function limit(value: number | null): string {
  return value === null ? t("message.noLimit") : count(value);
}
