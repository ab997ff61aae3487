/** Server certificates, created for the test: valid, expired, or for another name. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { cleanUp } from "./cleanup.ts";

export interface ServerCertificate {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
}

export interface CertificateAuthority {
  /** Path of its PEM. */
  readonly ca: string;
  /** For localhost and 127.0.0.1, unless another name is given. @param days of validity; negative: it has expired */
  issue(name: string, options?: { readonly days?: number; readonly names?: string }): Promise<ServerCertificate>;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Skips the test and returns null where openssl is missing. */
export async function certificateAuthority(t: TestContext): Promise<CertificateAuthority | null> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-ca-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const at = (name: string): string => path.join(folder, name);
  const openssl = (...args: string[]) => promisify(execFile)("openssl", args);
  try {
    const subject = ["-subj", "/CN=a CA of the tests", "-days", "2"];
    await openssl("req", "-x509", ...NEW_KEY, "-keyout", at("ca.key"), "-out", at("ca.pem"), ...subject);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    t.skip("openssl is not installed");
    return null;
  }
  return {
    ca: at("ca.pem"),
    async issue(name, { days = 2, names = "DNS:localhost,IP:127.0.0.1" } = {}) {
      const [key, cert, request, extensions] = ["key", "pem", "csr", "ext"].map((ending) => at(`${name}.${ending}`));
      if (!key || !cert || !request || !extensions) throw new Error("no file names");
      await openssl("req", ...NEW_KEY, "-keyout", key, "-out", request, "-subj", `/CN=${name}`);
      await writeFile(extensions, `subjectAltName=${names}\n`);
      const signer = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"];
      const validity = ["-days", String(days), "-extfile", extensions];
      await openssl("x509", "-req", "-in", request, ...signer, ...validity, "-out", cert);
      return { cert, key };
    },
  };
}
