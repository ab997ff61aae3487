/** Live progress: on a terminal one line that is rewritten, elsewhere a line for each change of the phase or the faults. */
import { printable } from "@acktor/shared/runtime/printable";
import type { TerminalDoor } from "@acktor/shared/runtime/terminal-door";
import type { Progress } from "../run/run-scenario.ts";
import type { ChaosTexts } from "./texts.ts";

export interface ProgressLine {
  show(scenario: string, progress: Progress): void;
  clear(): void;
}

export function progressLine(door: TerminalDoor, texts: ChaosTexts): ProgressLine {
  let last = "";
  return {
    show(scenario, { phase, atMs, ofMs, state, accepted, settled, faults }) {
      const key = `${scenario} ${phase} ${faults.join()}`;
      if (!door.isTerminal && key === last) return;
      last = key;
      const time = texts.seconds(`${(atMs / 1_000).toFixed(0)}/${(ofMs / 1_000).toFixed(0)}`);
      const parts = [
        scenario,
        texts.phases[phase],
        time,
        state ?? texts.none,
        `${settled}/${accepted}`,
        faults.join(" + "),
      ];
      const line = parts.filter((part) => part !== "").join(" · ");
      if (door.isTerminal) door.redraw(line);
      else door.say(printable(line));
    },
    clear: () => door.redraw(""),
  };
}
