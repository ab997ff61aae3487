/** Language and theme: the reader's choice, else the browser's. */
import { isLanguage, type Language, pickLanguage } from "@acktor/shared/texts/language";
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const LANGUAGE = "acktor.language";
const THEME = "acktor.theme";

export const language = signal<Language>(readLanguage());
export const theme = signal<Theme>(readTheme());

/** Applies both to the document. */
export function applyPreferences(): void {
  effect(() => {
    document.documentElement.lang = language.value;
  });
  effect(() => {
    if (theme.value === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset["theme"] = theme.value;
  });
}

export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(LANGUAGE, chosen);
  language.value = chosen;
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(THEME, chosen);
  theme.value = chosen;
}

function readLanguage(): Language {
  const kept = localStorage.getItem(LANGUAGE);
  return kept !== null && isLanguage(kept) ? kept : pickLanguage(navigator.languages);
}

function readTheme(): Theme {
  const kept = localStorage.getItem(THEME);
  return kept === "light" || kept === "dark" ? kept : "system";
}
