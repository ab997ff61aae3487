/**
 * A private certificate authority and its certificates, made with the `openssl` command.
 *
 * Invariants:
 *  AUTHORITY-1. An existing certificate is kept if it has the requested names, is signed by this authority, and is valid for
 *               at least `RENEW_DAYS` more days.
 *  AUTHORITY-2. The authority's key never leaves its folder.
 */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
/** The longest validity that the strictest clients accept. */
const CERTIFICATE_DAYS = 820;
export const RENEW_DAYS = 90;

export interface CertificateRequest {
  /** File name without its extension, and common name. */
  readonly name: string;
  /** A server's names and addresses: `DNS:mosquitto`, `IP:127.0.0.1`. Empty for a client. */
  readonly hosts: readonly string[];
}

export interface Issued {
  readonly certificate: string;
  readonly key: string;
  /** True if it was made by this call. */
  readonly fresh: boolean;
}

export class CertificateAuthority {
  readonly #folder: string;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(folder: string, now: () => number = Date.now) {
    this.#folder = folder;
    this.#now = now;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!existsSync(this.#file("ca.crt"))) this.#create();
  }

  /** The authority's own certificate, which clients trust. */
  get certificate(): string {
    return readFileSync(this.#file("ca.crt"), "utf8");
  }

  /** A certificate with its key; the existing one while it is valid. */
  issue(request: CertificateRequest): Issued {
    const [file, keyFile] = [this.#file(`${request.name}.crt`), this.#file(`${request.name}.key`)];
    const fresh = !this.#isGood(request); // AUTHORITY-1
    if (fresh) this.#sign(request, file, keyFile);
    return { certificate: readFileSync(file, "utf8"), key: readFileSync(keyFile, "utf8"), fresh };
  }

  #file(name: string): string {
    return path.join(this.#folder, name);
  }

  #create(): void {
    const extensions = ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign"];
    const subject = ["-subj", "/CN=acktor certificate authority", ...extensions.flatMap((e) => ["-addext", e])];
    // AUTHORITY-2
    const ends = ["-keyout", this.#file("ca.key"), "-out", this.#file("ca.crt.new")];
    openssl(["req", "-x509", ...NEW_KEY, "-days", String(AUTHORITY_DAYS), ...subject, ...ends]);
    renameSync(this.#file("ca.crt.new"), this.#file("ca.crt"));
  }

  #isGood({ name, hosts }: CertificateRequest): boolean {
    if (!existsSync(this.#file(`${name}.crt`)) || !existsSync(this.#file(`${name}.key`))) return false;
    const found = new X509Certificate(readFileSync(this.#file(`${name}.crt`)));
    if (Date.parse(found.validTo) - this.#now() < RENEW_DAYS * DAY_MS) return false;
    const authority = new X509Certificate(this.certificate);
    return found.checkIssued(authority) && found.verify(authority.publicKey) && namesOf(found) === inNodesForm(hosts);
  }

  #sign({ name, hosts }: CertificateRequest, file: string, keyFile: string): void {
    const [request, extensions] = [`${file}.csr`, `${file}.ext`];
    const use = hosts.length > 0 ? `serverAuth\nsubjectAltName=${hosts.join(",")}` : "clientAuth";
    const lines = [
      "basicConstraints=critical,CA:FALSE",
      "keyUsage=critical,digitalSignature",
      `extendedKeyUsage=${use}`,
    ];
    writeFileSync(extensions, `${lines.join("\n")}\n`);
    openssl(["req", ...NEW_KEY, "-subj", `/CN=${name}`, "-keyout", keyFile, "-out", request]);
    const by = ["-CA", this.#file("ca.crt"), "-CAkey", this.#file("ca.key"), "-CAcreateserial"];
    const what = ["-days", String(CERTIFICATE_DAYS), "-extfile", extensions, "-out", `${file}.new`];
    openssl(["x509", "-req", "-in", request, ...by, ...what]);
    renameSync(`${file}.new`, file);
    for (const left of [request, extensions]) rmSync(left, { force: true });
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** A certificate's names, sorted: `DNS:a, IP Address:127.0.0.1`. */
function namesOf(certificate: X509Certificate): string {
  return (certificate.subjectAltName ?? "").split(", ").sort().join(", ");
}

function inNodesForm(hosts: readonly string[]): string {
  return hosts
    .map((host) => host.replace(/^IP:/, "IP Address:"))
    .sort()
    .join(", ");
}

/** Throws with openssl's error output. */
function openssl(args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}
