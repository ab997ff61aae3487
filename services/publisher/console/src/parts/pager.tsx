/** Links to the newest and the next older page of a list. */
import { t } from "../i18n/text.ts";
import { linkTo } from "../state/router.ts";

interface PagerProps {
  readonly path: string;
  readonly filters: Readonly<Record<string, string | null>>;
  /** Of the present page; null: the newest one. */
  readonly before: string | null;
  /** Of the next older page; null: there is none. */
  readonly next: string | null;
}

export function Pager({ path, filters, before, next }: PagerProps) {
  return (
    <nav class="pager" aria-label={t("messages.pages")}>
      {before !== null && <a href={linkTo(path, filters)}>{t("messages.newest")}</a>}
      {next !== null && <a href={linkTo(path, { ...filters, before: next })}>{t("messages.older")}</a>}
    </nav>
  );
}
