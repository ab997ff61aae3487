/** NATS, if configured: greeting, login, and a round trip of PING, by the four text lines of its protocol. */
import net from "node:net";
import tls from "node:tls";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, ok } from "./check.ts";

const DEADLINE_MS = 3_000;

type Asked =
  | { readonly ok: true; readonly version: string; readonly ms: number }
  | { readonly ok: false; readonly why: string };

/** @param ca PEM of the authority that signed the server's certificate; null: the system's authorities */
export async function checkNats(session: Session, url: string, ca: string | null): Promise<Check> {
  const { doctor: t } = session.texts;
  const asked = await new NatsProbe(new URL(url), ca, session.clock).ask();
  if (!asked.ok)
    return failed("nats", printable(asked.why, 200), /authori/i.test(asked.why) ? t.natsLoginFix : t.natsFix);
  return ok("nats", t.natsFound(printable(asked.version, 40), asked.ms.toFixed(1)), {
    round_trip_ms: asked.ms,
    version: asked.version,
  });
}

/** One connection to a NATS server, closed when `ask` resolves. */
class NatsProbe {
  readonly #url: URL;
  readonly #ca: string | null;
  readonly #clock: Pick<Clock, "now">;
  readonly #plain: net.Socket;
  readonly #asked: Promise<Asked>;
  #resolve: (asked: Asked) => void = () => undefined;
  #socket: net.Socket;
  #rest = "";
  #version: string | null = null;
  #askedAt = 0;

  constructor(url: URL, ca: string | null, clock: Pick<Clock, "now">) {
    this.#url = url;
    this.#ca = ca;
    this.#clock = clock;
    this.#plain = net.connect({ host: url.hostname, port: Number(url.port || 4222) });
    this.#socket = this.#plain;
    this.#asked = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Never rejects. */
  async ask(): Promise<Asked> {
    const late: Asked = { ok: false, why: `no answer within ${DEADLINE_MS} ms` };
    const timer = setTimeout(() => this.#resolve(late), DEADLINE_MS);
    this.#listen(this.#plain);
    const asked = await this.#asked;
    clearTimeout(timer);
    for (const socket of new Set([this.#plain, this.#socket])) socket.destroy();
    return asked;
  }

  #listen(socket: net.Socket): void {
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    socket.once("close", () => this.#fail(this.#version === null ? "it is not a NATS server" : "connection closed"));
  }

  #fail(why: string): void {
    this.#resolve({ ok: false, why });
  }

  #take(bytes: Buffer): void {
    const lines = (this.#rest + bytes.toString("latin1")).slice(-65_536).split("\r\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#takeLine(line);
  }

  #takeLine(line: string): void {
    const version = this.#version;
    if (line.startsWith("INFO ") && version === null) {
      const info = parseInfo(line.slice(5));
      this.#version = info.version;
      if (this.#url.protocol === "tls:" || info.wantsTls) this.#secure();
      else this.#login();
    } else if (line.startsWith("-ERR")) this.#fail(line.slice(4).trim());
    else if (line === "PONG" && version !== null)
      this.#resolve({ ok: true, version, ms: this.#clock.now() - this.#askedAt });
  }

  #secure(): void {
    this.#plain.removeAllListeners("data");
    this.#plain.removeAllListeners("close");
    this.#socket = tls.connect({ ...tlsOf(this.#url, this.#ca), socket: this.#plain }, () => this.#login());
    this.#listen(this.#socket);
  }

  #login(): void {
    this.#askedAt = this.#clock.now();
    this.#socket.write(`CONNECT ${JSON.stringify(credentials(this.#url))}\r\nPING\r\n`);
  }
}

/** A name in the certificate is asked for by name; an address is looked for as such. */
function tlsOf({ hostname: host }: URL, ca: string | null): tls.ConnectionOptions {
  return { host, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...(ca === null ? {} : { ca }) };
}

function parseInfo(text: string): { readonly version: string; readonly wantsTls: boolean } {
  try {
    const info = JSON.parse(text) as { version?: string; tls_required?: boolean };
    return { version: String(info.version ?? "?"), wantsTls: info.tls_required === true };
  } catch {
    return { version: "?", wantsTls: false };
  }
}

/** As the services read them: user and password, or a token alone, before the @. */
function credentials(url: URL): object {
  const user = decodeURIComponent(url.username);
  const pass = decodeURIComponent(url.password);
  const login = user === "" ? {} : pass === "" ? { auth_token: user } : { user, pass };
  return { verbose: false, pedantic: false, name: "acktor-doctor", lang: "node", version: "1", ...login };
}
