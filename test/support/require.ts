/**
 * Programs that a test needs and a machine may lack: the test is reported as skipped, or fails where ACKTOR_REQUIRE names
 * the program.
 */
import type { TestContext } from "node:test";
import { findServer, isRequired, type OptionalServer } from "./programs.ts";

/** The path of a server's program, or null after the test was skipped because the program is missing. */
export function need(server: OptionalServer, t: TestContext): string | null {
  const program = findServer(server);
  if (program !== null) return program;
  if (isRequired(server)) throw new Error(`${server} is not installed, and ACKTOR_REQUIRE names it`);
  t.skip(`${server} is not installed`);
  return null;
}
