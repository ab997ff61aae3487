/** Certificates by the authority of docker-compose.yml, in a folder of the test. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { CertificateAuthority } from "@acktor/compose/certificates";
import { cleanUp } from "./cleanup.ts";

/** An empty folder, removed after the test. */
export function testFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "acktor-compose-"));
  cleanUp(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Skips the test and returns null where openssl is missing. */
export function testAuthority(t: TestContext, folder: string, now = Date.now): CertificateAuthority | null {
  return hasOpenssl(t) ? new CertificateAuthority(folder, now) : null;
}

export function hasOpenssl(t: TestContext): boolean {
  const found = spawnSync("openssl", ["version"]).status === 0;
  if (!found) t.skip("openssl is not installed");
  return found;
}
