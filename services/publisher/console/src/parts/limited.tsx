/** Replaces a page that the reader's token may not see: what the token may read, and a link to it. */
import type { Scope } from "../api/principal.ts";
import { t } from "../i18n/text.ts";
import { may, me } from "../state/me.ts";

export function Limited({ title, scope }: { readonly title: string; readonly scope: Scope }) {
  const filters = me.value?.topics.read.join(", ") ?? "";
  return (
    <div data-limited>
      <div class="view-head">
        <h1>{title}</h1>
      </div>
      <section class="card notice tone-warn">
        <p>
          {may(scope) ? t("limited.topics", { filters: filters || t("limited.none") }) : t("scope.missing", { scope })}
        </p>
        {may("read") && scope === "read" && <a href="#/messages">{t("limited.messages")}</a>}
      </section>
    </div>
  );
}
