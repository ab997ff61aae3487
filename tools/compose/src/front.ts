/**
 * The service `front`: the one published address, whatever the number of publishers. At its start it sees to the first
 * message, and says where the console is.
 *
 *   node front.js --publisher HOST:PORT --console URL --topics FILTERS
 *
 * It listens on HTTP_PORT (8080) once the first message is through, or has had its time: healthy means ready to be looked at.
 */

import { parseArgs } from "node:util";
import { readConfig } from "@acktor/shared/runtime/config";
import { knownNames, publisherSettings } from "@acktor/shared/runtime/settings";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { createForwarder } from "./forwarder.ts";
import { type Welcome, welcome } from "./welcome.ts";

const { values } = parseArgs({
  options: {
    publisher: { type: "string", default: "publisher:8080" },
    console: { type: "string", default: "http://127.0.0.1:8080" },
    topics: { type: "string", default: "" },
  },
});
const WELCOME_MS = 20_000;
/** A line to paste, without the token itself: the container's file has it. */
const TOKEN_WORDS = "token / トークン: docker compose exec front cat /run/secrets/api-token";
/** Answers under way at a stop get this long. */
const LAST_BYTES_MS = 1_000;

const { ACKTOR_API_TOKEN, HTTP_HOST, HTTP_PORT } = publisherSettings;
const read = readConfig({ ACKTOR_API_TOKEN, HTTP_HOST, HTTP_PORT }, process.env, knownNames);
if (read.ok) await run(read.config);
else {
  standardError.write(
    `acktor front: the configuration has ${read.faults.length} fault(s)\n  - ${read.faults.join("\n  - ")}\n`,
  );
  process.exitCode = 2;
}

async function run(config: {
  readonly ACKTOR_API_TOKEN: string | null;
  readonly HTTP_HOST: string;
  readonly HTTP_PORT: number;
}): Promise<void> {
  const [host = "publisher", port = "8080"] = values.publisher.split(":");
  const stopping = new AbortController();
  const { server, stop } = createForwarder({ host, port: Number(port) });
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      stopping.abort();
      setTimeout(() => void stop(), server.listening ? LAST_BYTES_MS : 0);
    });
  }
  const token = config.ACKTOR_API_TOKEN ?? "";
  const topic = welcomeTopic(values.topics);
  const api = `http://${values.publisher}`;
  const met =
    topic === "" ? "seen" : await welcome({ api, token, topic, withinMs: WELCOME_MS, signal: stopping.signal });
  if (stopping.signal.aborted) return;
  server.listen({ host: config.HTTP_HOST, port: config.HTTP_PORT }, () => say(met));
}

/** A topic that the first filter selects: where the first message goes. Empty without a filter. */
function welcomeTopic(filters: string): string {
  return (filters.split(",")[0] ?? "").trim().replace(/[+#]/g, "welcome");
}

/**
 * FRONT-1: where the console and its token are, never the token: logs are shipped, kept and read by others than those who
 * may start containers.
 */
function say(met: Welcome): void {
  const first: Readonly<Record<Welcome, string>> = {
    acknowledged:
      "acktor is ready; its first message is acknowledged / 準備ができました。最初のメッセージは確認応答済みです",
    seen: "acktor is ready / 準備ができました",
    unanswered:
      "acktor is up, and its first message waits for an answer / 起動しました。最初のメッセージは応答待ちです",
  };
  standardOutput.say([first[met], values.console, TOKEN_WORDS].join("\n"));
}
