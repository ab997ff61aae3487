/** `chaos`: the fault lab's subcommands in the command's language. */
import { defineChaos as defineLab } from "@acktor/chaos/define-chaos";
import { chaosTexts } from "@acktor/chaos/report/texts";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import type { ExitCode } from "../exit.ts";
import type { Definer } from "./definer.ts";

export function defineChaos({ program, texts, run }: Definer): void {
  defineLab(program, chaosTexts(texts.lang, {}), (command, work) =>
    run(command, async (session) => {
      // The lab stops the processes that it started, which takes longer than the command waits after Ctrl-C.
      session.process.handOver();
      const { listenForStop } = await import("@acktor/embedded/stop-request");
      const { SYSTEM_CLOCK } = await import("@acktor/shared/runtime/clock");
      const { signal } = listenForStop({ say: (line) => session.terminal.note(line) }, SYSTEM_CLOCK);
      const io = { stdout: standardOutput, stderr: standardError, env: session.env, signal };
      return (await work(io)) as ExitCode;
    }),
  );
}
