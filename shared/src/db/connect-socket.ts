/**
 * The socket of a connection: TCP or a Unix socket, with TLS where the address asks for it, ready for the first message of
 * the protocol. Our own, because the driver leaves Nagle's algorithm on, cannot destroy a half-open connection, and waits
 * without an end for a server that answers the request for TLS with something else.
 */
import { readFile } from "node:fs/promises";
import net from "node:net";
import tls from "node:tls";
import type { DatabaseHost, DatabaseTls } from "../runtime/database-url.ts";

export interface SocketOptions {
  readonly host: DatabaseHost;
  /** Null: not encrypted. */
  readonly tls: DatabaseTls | null;
  /** PEM; with it the server's certificate and name are verified, also where `tls` says less. */
  readonly ca: string | null;
  readonly timeoutMs: number;
}

/** Length 8, code 80877103. */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const YES = 0x53;

/** A socket while it is being made. `destroy` ends it at each step. */
export class SocketInMaking {
  readonly #options: SocketOptions;
  #socket: net.Socket | null = null;
  #destroyed = false;

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  get socket(): net.Socket | null {
    return this.#socket;
  }

  destroy(): void {
    this.#destroyed = true;
    this.#socket?.destroy();
  }

  /** Rejects with an error of the system, of TLS, CONNECT_TIMEOUT or NO_TLS. */
  async connect(): Promise<net.Socket> {
    const { host, timeoutMs } = this.#options;
    const timer = setTimeout(() => this.#socket?.destroy(failure("CONNECT_TIMEOUT", host)), timeoutMs);
    try {
      const secure = await this.#tlsOptions();
      if (this.#destroyed) throw failure("CONNECTION_DESTROYED", host);
      const plain = await this.#begin(openPlain(host), "connect");
      plain.setNoDelay(true);
      if (secure === null || !(await this.#offersTls(plain))) return plain;
      return await this.#begin(tls.connect({ ...secure, socket: plain }), "secureConnect");
    } catch (error) {
      this.#socket?.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #begin(socket: net.Socket, event: string): Promise<net.Socket> {
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      // An error after the promise is settled belongs to the driver, which may not listen yet.
      socket.on("error", reject);
      socket.once("close", () => reject(failure("CONNECTION_CLOSED", this.#options.host)));
      socket.once(event, () => resolve(socket));
    });
  }

  /** Asks the server. An answer of more than one byte is not believed: it may come from a third party (CVE-2021-23222). */
  async #offersTls(socket: net.Socket): Promise<boolean> {
    const { host, tls: wanted, ca } = this.#options;
    if (wanted?.direct) return true;
    socket.write(TLS_REQUEST);
    const answer = await new Promise<Buffer>((resolve, reject) => {
      socket.once("data", (data: Buffer) => resolve(data));
      socket.once("error", reject);
      socket.once("close", () => reject(failure("CONNECTION_CLOSED", host)));
    });
    if (answer.length === 1 && answer[0] === YES) return true;
    if (wanted?.mode === "prefer" && ca === null && answer.length === 1) return false;
    throw failure("NO_TLS", host);
  }

  async #tlsOptions(): Promise<tls.ConnectionOptions | null> {
    const { host, tls: wanted, ca } = this.#options;
    if ((wanted === null && ca === null) || host.host.startsWith("/")) return null;
    const mode = ca === null ? wanted?.mode : "verify-full";
    const verifies = mode === "verify-full" || mode === "verify-ca";
    const file = async (name: string | null | undefined) => (name ? { pem: await readFile(name, "utf8") } : null);
    const [authority, cert, key] = await Promise.all([
      file(ca === null && wanted?.ca !== "system" ? wanted?.ca : null),
      file(wanted?.cert),
      file(wanted?.key),
    ]);
    const trusted = ca ?? authority?.pem;
    return {
      // For an address in the certificate Node would look for `localhost` without `host`.
      ...(net.isIP(host.host) === 0 ? { servername: host.host } : { host: host.host }),
      ...(trusted === undefined ? {} : { ca: trusted }),
      ...(cert === null || key === null ? {} : { cert: cert.pem, key: key.pem }),
      ...(wanted?.minVersion ? { minVersion: wanted.minVersion } : {}),
      ...(wanted?.direct ? { ALPNProtocols: ["postgresql"] } : {}),
      ...(mode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
      rejectUnauthorized: verifies,
    };
  }
}

function openPlain({ host, port }: DatabaseHost): net.Socket {
  return host.startsWith("/") ? net.connect({ path: `${host}/.s.PGSQL.${port}` }) : net.connect({ host, port });
}

const TEXTS = {
  CONNECT_TIMEOUT: "did not answer in time",
  CONNECTION_DESTROYED: "the connection was given up",
  CONNECTION_CLOSED: "closed the connection",
  NO_TLS: "offers no TLS, which sslmode or DATABASE_CA requires",
} as const;

/** An error with a code, as those of the system are. */
function failure(code: keyof typeof TEXTS, { host, port }: DatabaseHost): Error {
  return Object.assign(new Error(`${host}:${port} ${TEXTS[code]}`), { code });
}
