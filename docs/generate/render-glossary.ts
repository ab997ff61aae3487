/** docs/reference/glossary.md and glossary.ja.md from the list that holds the console's and the command line's words. */
import { GLOSSARY } from "@acktor/shared/texts/glossary";
import type { Language } from "@acktor/shared/texts/language";
import { table } from "./markdown-table.ts";
import type { GeneratedFile } from "./write-or-check.ts";

const SOURCE = "<!-- Generated from shared/src/texts/glossary.ts by docs/generate/glossary.ts. Do not edit. -->";

const HEADS = {
  en: {
    path: "docs/reference/glossary.md",
    text: `# Glossary\n\n${SOURCE}\n\n_[日本語](glossary.ja.md)_\n\nOne word for one thing, in the code, the console, the command line and these pages.\nA test holds the console and the command line to it.`,
    columns: ["term", "in Japanese", "meaning", "not"],
  },
  ja: {
    path: "docs/reference/glossary.ja.md",
    text: `# 用語集\n\n${SOURCE}\n\n_[English](glossary.md)_\n\nコンソール、コマンドライン、日本語の文書で使う言葉です。1 つのものには 1 つの言葉を使います。\nコンソールとコマンドラインが従っていることは、テストで確かめています。`,
    columns: ["用語", "英語", "意味", "使わない言葉"],
  },
} as const;

export function glossaryReference(): GeneratedFile[] {
  return [page("en", "ja"), page("ja", "en")];
}

function page(language: Language, other: Language): GeneratedFile {
  const { path, text, columns } = HEADS[language];
  const groups = GLOSSARY.map(({ title, terms }) => {
    const rows = terms.map(({ word, meaning, not }) => [
      word[language],
      word[other],
      meaning[language],
      not?.[language]?.join(", ") ?? "",
    ]);
    return `## ${title[language]}\n\n${table([columns, ...rows])}\n`;
  });
  return { path, text: [text, ...groups].join("\n\n").replaceAll(/\n{3,}/g, "\n\n") };
}
