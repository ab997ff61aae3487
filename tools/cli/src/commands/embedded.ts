/** `acktor start` and `acktor demo`: the programs of `npm start` and `npm run demo`, in this process. */
import type { ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";

/** Never resolves: the program handles signals and exits with its own code. */
export async function embedded(session: Session, program: "start" | "demo"): Promise<ExitCode> {
  session.process.handOver();
  // The demonstration reads its language from the environment.
  if (program === "demo") process.env["LC_ALL"] = session.texts.lang === "ja" ? "ja_JP.UTF-8" : "C.UTF-8";
  if (program === "start") await import("@acktor/embedded/start");
  else await import("@acktor/embedded/demo");
  return new Promise(() => undefined);
}
