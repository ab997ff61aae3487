/** The summary of the resilience test, for a terminal. */
import { renderTable } from "@acktor/embedded/table";
import { printable } from "@acktor/shared/runtime/printable";
import { publishRatio, type ScenarioResult } from "../run/result.ts";
import { type ChaosTexts, COLUMNS, type Column } from "./texts.ts";

export function summaryTable(results: readonly ScenarioResult[], texts: ChaosTexts): string {
  const head = COLUMNS.map((column) => texts.columns[column]);
  const rows = results.map((result) => COLUMNS.map((column) => cellOf(result, column, texts)));
  return renderTable(texts.summary, head, rows);
}

/** The text of a result in a column. */
export function cellOf(result: ScenarioResult, column: Column, texts: ChaosTexts): string {
  const inSeconds = (ms: number): string => texts.seconds((ms / 1_000).toFixed(1));
  switch (column) {
    case "scenario":
      return result.scenario;
    case "duration":
      return inSeconds(result.durationMs);
    case "sent":
      return String(result.sent);
    case "acknowledged":
      return String(result.acknowledged);
    case "lost":
      return String(result.lost);
    case "duplicates":
      return String(result.wireDuplicates);
    case "doubles":
      return String(result.doubleEffects);
    case "errors":
      return errorsOf(result) || texts.none;
    case "reconnecting":
      return result.reconnectingMs === null ? texts.none : inSeconds(result.reconnectingMs);
    case "recover":
      return result.recoverMs === null ? texts.never : inSeconds(result.recoverMs);
    case "openings":
      return String(result.breakerOpenings);
    case "ratio":
      return `${result.republished}/${result.published - result.republished} (${publishRatio(result).toFixed(2)})`;
    case "state":
      return result.finalState;
    case "verdict":
      return texts.outcomes[result.outcome];
  }
}

function errorsOf({ errors }: ScenarioResult): string {
  return Object.entries(errors)
    .filter(([, count]) => count > 0)
    .map(([type, count]) => `${type} ${count}`)
    .join(", ");
}

/** A line for each reason why a run did not pass. */
export function reasonLines(results: readonly ScenarioResult[], texts: ChaosTexts): string[] {
  return results.flatMap(({ scenario, reasons }) =>
    reasons.map((why) => `${texts.reasons} (${scenario}): ${printable(why)}`),
  );
}
