/**
 * The health check of the containers: asks the container's service whether it is ready. Exit code 0, or 1 with the reason.
 * It loads only Node's modules, because it starts every few seconds.
 */

import { get } from "node:http";
import { standardOutput } from "@acktor/shared/runtime/terminal-door";

const port = process.env["HTTP_PORT"] || "8080";
const TIMEOUT_MS = 3_000;

function fail(why: string): void {
  standardOutput.write(`${why}\n`);
  process.exit(1);
}

const request = get({ host: "127.0.0.1", port, path: "/readyz", timeout: TIMEOUT_MS }, (response) => {
  response.setEncoding("utf8");
  let body = "";
  response.on("data", (part: string) => {
    body += part;
  });
  response.on("end", () => {
    if (response.statusCode !== 200) fail(`${response.statusCode}: ${body.slice(0, 500)}`);
  });
});
request.on("timeout", () => fail(`no answer in ${TIMEOUT_MS} ms`));
request.on("error", (error) => fail(error.message));
