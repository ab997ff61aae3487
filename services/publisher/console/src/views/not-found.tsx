/** An address of the console, or a message, that does not exist. */
import { t } from "../i18n/text.ts";

export function NotFound({ what }: { readonly what: string }) {
  return (
    <section class="card not-found">
      <p class="code">404</p>
      <h1>{t("notFound.title")}</h1>
      <p>{t("notFound.text", { what })}</p>
      <p>
        <a href="#/messages">{t("notFound.messages")}</a> · <a href="#/overview">{t("notFound.overview")}</a>
      </p>
    </section>
  );
}
