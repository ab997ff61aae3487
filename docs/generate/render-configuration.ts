/** docs/reference/configuration.md from the settings themselves. */
import type { Setting, Settings } from "@acktor/shared/runtime/config";
import { ackerSettings, publisherSettings, toolSettings } from "@acktor/shared/runtime/settings";
import { table } from "./markdown-table.ts";
import type { GeneratedFile } from "./write-or-check.ts";

const HEAD = `# Configuration

<!-- Generated from shared/src/runtime/settings.ts by docs/generate/configuration.ts. Do not edit. -->

acktor is configured by environment variables. They are read once, at start.

- All faults are listed at once, and the exit code is then 2.
- A name that begins with \`ACKTOR_\` and is not known is a fault, so that a typo does not fall back to a default in silence.
- An empty value counts as not set.
- Durations are written as \`250ms\`, \`30s\`, \`5m\`, \`24h\` or \`7d\`.
- A setting marked _secret_ or _file_ can also be given as \`NAME_FILE\`, the path of a file that holds the value. Giving both is a fault.
- One environment can serve both services: a service ignores the other one's settings.
`;

const COLUMNS = ["setting", "default", "meaning", "example"];

/** The reference, one table for each group of settings. */
export function configurationReference(): GeneratedFile {
  const both = pick(publisherSettings, (name, setting) => own(ackerSettings, name) === setting);
  const publisher = pick(publisherSettings, (name) => !Object.hasOwn(both, name));
  const acker = pick(ackerSettings, (name) => !Object.hasOwn(both, name));
  const sections = [
    section("Both services", "The publisher and the acker read these.", both),
    section("Publisher", "", publisher),
    section("Acker", "", acker),
    section(
      "Tools and tests",
      "Read by `npm start`, `npm run demo`, the `acktor` command and `npm test`, not by the services.",
      toolSettings,
    ),
  ];
  return { path: "docs/reference/configuration.md", text: [HEAD, ...sections].join("\n") };
}

function section(title: string, intro: string, settings: Settings): string {
  const rows = Object.entries(settings).map(([name, setting]) => row(name, setting));
  return [`## ${title}\n`, ...(intro === "" ? [] : [`${intro}\n`]), table([COLUMNS, ...rows]), ""].join("\n");
}

function row(name: string, setting: Setting): string[] {
  const fallback = setting.fallback === undefined ? "" : code(setting.fallback);
  return [
    code(name),
    setting.required ? "**required**" : fallback,
    [
      cell(setting.description),
      ...(setting.secret ? ["_Secret._"] : []),
      ...(setting.fromFile ? ["_File._"] : []),
    ].join(" "),
    setting.example === "…" ? "" : code(setting.example),
  ];
}

function pick(settings: Settings, wanted: (name: string, setting: Setting) => boolean): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([name, setting]) => wanted(name, setting)));
}

function own(settings: Settings, name: string): Setting | undefined {
  return Object.hasOwn(settings, name) ? settings[name] : undefined;
}

function code(text: string): string {
  return `\`${cell(text)}\``;
}

/** A pipe would end the cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
