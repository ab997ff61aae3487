/** The page: header, the view of the address, or the form for the token. */
import { useEffect } from "preact/hooks";
import { t } from "./i18n/text.ts";
import { Header } from "./parts/header.tsx";
import { Limited } from "./parts/limited.tsx";
import { TokenForm } from "./parts/token-form.tsx";
import { ViewGuard } from "./parts/view-guard.tsx";
import { isKnown, may, mayReadAll } from "./state/me.ts";
import { decoded } from "./state/percent.ts";
import { route } from "./state/router.ts";
import { isRefused } from "./state/session.ts";
import { frozen, recording, thaw } from "./state/viewpoint.ts";
import { AuditView } from "./views/audit.tsx";
import { LogView } from "./views/log.tsx";
import { MachinesView } from "./views/machines.tsx";
import { MessageView } from "./views/message.tsx";
import { MessagesView } from "./views/messages.tsx";
import { NotFound } from "./views/not-found.tsx";
import { OverviewView } from "./views/overview.tsx";
import { TokensView } from "./views/tokens.tsx";

const VIEWS = {
  "/overview": { View: OverviewView, title: "nav.overview" },
  "/machines": { View: MachinesView, title: "nav.machines" },
  "/log": { View: LogView, title: "nav.log" },
  "/messages": { View: MessagesView, title: "nav.messages" },
  "/audit": { View: AuditView, title: "nav.audit" },
  "/tokens": { View: TokensView, title: "nav.tokens" },
} as const;

/** Pages that only admins see in the navigation. */
const ADMIN_PAGES: ReadonlySet<string> = new Set(["/audit", "/tokens"]);

export function App() {
  useEffect(() => {
    addEventListener("keydown", onEscape);
    return () => removeEventListener("keydown", onEscape);
  }, []);
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        {t("skip")}
      </button>
      <Header />
      <main id="main" tabIndex={-1}>
        {isRefused.value ? (
          <TokenForm />
        ) : (
          isKnown.value && (
            <ViewGuard view={route.value.path} words={faultWords()}>
              <CurrentView />
            </ViewGuard>
          )
        )}
      </main>
    </>
  );
}

function CurrentView() {
  const { path } = route.value;
  const title = titleOf(path);
  useEffect(() => {
    document.title = `${title} · acktor`;
  }, [title]);
  if (path.startsWith("/messages/")) {
    const id = decoded(path.slice("/messages/".length));
    return may("read") ? <MessageView key={id} id={id} /> : <Limited title={title} scope="read" />;
  }
  if (!isView(path)) return <NotFound what={path} />;
  const { View } = VIEWS[path];
  if (ADMIN_PAGES.has(path)) return may("admin") ? <View /> : <Limited title={title} scope="admin" />;
  // The list of messages shows only the token's topics; a send-only token sends from it.
  const isSeen = path === "/messages" || mayReadAll() || (path === "/log" && recording.value !== null);
  return isSeen ? <View /> : <Limited title={title} scope="read" />;
}

function faultWords() {
  return { title: t("viewFault.title"), text: t("viewFault.text"), again: t("viewFault.again") };
}

function titleOf(path: string): string {
  if (isView(path)) return t(VIEWS[path].title);
  return path.startsWith("/messages/") ? t("message.title") : t("notFound.title");
}

function isView(path: string): path is keyof typeof VIEWS {
  return Object.hasOwn(VIEWS, path);
}

/** Escape ends time travel, unless a dialog is open. */
function onEscape(event: KeyboardEvent): void {
  if (event.key === "Escape" && document.querySelector("dialog[open]") === null && frozen.peek() !== null) thaw();
}

/** The router owns the fragment, so a button moves the focus instead of a link. */
function skip(): void {
  document.querySelector<HTMLElement>("#main")?.focus();
}
