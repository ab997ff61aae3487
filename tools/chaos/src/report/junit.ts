/** Results as JUnit XML, which CI systems read. */
import type { ScenarioResult } from "../run/result.ts";
import { escapeXml } from "./escape-xml.ts";

export function junitXml(results: readonly ScenarioResult[]): string {
  const failures = results.filter(({ outcome }) => outcome === "failed" || outcome === "not injected").length;
  const skipped = results.filter(({ outcome }) => outcome === "not possible").length;
  const cases = results.map((result) => {
    const time = (result.durationMs / 1_000).toFixed(3);
    const open = `  <testcase classname="chaos" name="${escapeXml(result.scenario)}" time="${time}"`;
    const why = escapeXml(result.reasons.join("\n"));
    if (result.outcome === "passed") return `${open}/>`;
    if (result.outcome === "not possible") return `${open}><skipped message="${why}"/></testcase>`;
    return `${open}><failure message="${result.outcome}">${why}</failure></testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="acktor chaos" tests="${results.length}" failures="${failures}" skipped="${skipped}">`,
    ...cases,
    "</testsuite>",
    "",
  ].join("\n");
}
