/** The header: name, navigation, state of the stream, language, theme, principal. */
import { LANGUAGES, type Language } from "@acktor/shared/texts/language";
import { clockTime } from "../i18n/format.ts";
import { type Key, t } from "../i18n/text.ts";
import { bus, stream } from "../state/live.ts";
import { may, mayReadAll } from "../state/me.ts";
import { chooseLanguage, chooseTheme, language, type Theme, theme } from "../state/preferences.ts";
import { route } from "../state/router.ts";
import { isRefused } from "../state/session.ts";
import { open, recording } from "../state/viewpoint.ts";
import { Shape } from "./state-badge.tsx";
import { Who } from "./who.tsx";

const PAGES: readonly (readonly [path: string, title: Key])[] = [
  ["/overview", "nav.overview"],
  ["/machines", "nav.machines"],
  ["/log", "nav.log"],
  ["/messages", "nav.messages"],
];
const ADMIN_PAGES: typeof PAGES = [
  ["/audit", "nav.audit"],
  ["/tokens", "nav.tokens"],
];

const LANGUAGE_NAMES: Readonly<Record<Language, string>> = { en: "English", ja: "日本語" };

export function Header() {
  const { path } = route.value;
  return (
    <header class="header">
      <a class="brand" href="#/overview">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <rect width="32" height="32" rx="7" />
          <path d="M6 17h5l3-8 5 15 3-7h4" />
        </svg>
        acktor
      </a>
      <nav aria-label={t("nav.label")}>
        {[...PAGES, ...(may("admin") ? ADMIN_PAGES : [])].map(([page, title]) => (
          <a key={page} href={`#${page}`} {...(path.startsWith(page) ? { "aria-current": "page" } : {})}>
            {t(title)}
          </a>
        ))}
      </nav>
      <StreamPill />
      <Settings />
    </header>
  );
}

function StreamPill() {
  const state = stream.value;
  const opened = recording.value;
  if (isRefused.value || (opened === null && !mayReadAll())) return null;
  if (opened !== null) {
    return (
      <span class="pill tone-warn">
        <Shape tone="warn" />
        {t("stream.recording", { name: opened.name })}
        <button type="button" class="link" onClick={() => open(null)}>
          {t("stream.close")}
        </button>
      </span>
    );
  }
  const isPartial = bus.value?.partial === true || (bus.value?.kind === "nats" && !bus.value.connected);
  return (
    <span class="pills" role="status">
      {state.kind === "live" && (
        <span class="pill tone-ok" data-stream="live">
          <Shape tone="ok" />
          {t("stream.live")}
        </span>
      )}
      {state.kind === "connecting" && (
        <span class="pill tone-busy" data-stream="connecting">
          <Shape tone="busy" />
          {t("stream.connecting")}
        </span>
      )}
      {state.kind === "stale" && (
        <span class="pill tone-bad" data-stream="stale">
          <Shape tone="bad" />
          {t("stream.stale", { time: clockTime(state.since).slice(0, 8) })}
        </span>
      )}
      {isPartial && (
        <span class="pill tone-warn" title={t("stream.partialWhy")}>
          <Shape tone="warn" />
          {t("stream.partial")}
        </span>
      )}
    </span>
  );
}

function Settings() {
  const THEMES: readonly (readonly [Theme, Key])[] = [
    ["system", "theme.system"],
    ["light", "theme.light"],
    ["dark", "theme.dark"],
  ];
  return (
    <div class="settings">
      <select
        aria-label={t("language.label")}
        value={language.value}
        onChange={(event) => chooseLanguage(event.currentTarget.value as Language)}
      >
        {LANGUAGES.map((code) => (
          <option key={code} value={code} lang={code}>
            {LANGUAGE_NAMES[code]}
          </option>
        ))}
      </select>
      <select
        aria-label={t("theme.label")}
        value={theme.value}
        onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}
      >
        {THEMES.map(([name, key]) => (
          <option key={name} value={name}>
            {t(key)}
          </option>
        ))}
      </select>
      <Who />
    </div>
  );
}
