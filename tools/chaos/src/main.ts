/** `npm run chaos`: the fault lab as a program of its own. */
import { listenForStop } from "@acktor/embedded/stop-request";
import { Command } from "commander";
import { defineChaos } from "./define-chaos.ts";
import { LabFailure } from "./world/lab-failure.ts";

const program = new Command("acktor").showHelpAfterError().exitOverride((error) => {
  process.exit(error.exitCode === 0 ? 0 : 2);
});
const { signal } = listenForStop(
  (line) => console.error(line),
  () => performance.now(),
);
let exitCode = 0;
defineChaos(program, {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal,
  done: (code) => {
    exitCode = code;
  },
});

try {
  await program.parseAsync(process.argv.slice(2), { from: "user" });
} catch (error) {
  if (!(error instanceof LabFailure)) throw error;
  console.error(error.message);
  exitCode = 1;
}
process.exit(exitCode);
