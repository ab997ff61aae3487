/** A server of PostgreSQL's protocol that answers as a test says, where no real one can be made to. */
import net from "node:net";
import type { TestContext } from "node:test";

/** One row, an SQLSTATE, or no answer at all. */
export type FakeAnswer = Readonly<Record<string, string>> | string | null;

export interface FakePostgres {
  readonly port: number;
  /** Texts of the statements that came, in order. */
  readonly statements: readonly string[];
  /** Logins so far. */
  logins(): number;
  /** Connections now. */
  open(): number;
  /** Ends all connections. */
  cut(): void;
}

export interface FakeScript {
  /** @returns SQLSTATE of the refusal of a login, or null */
  login?(open: number): string | null;
  cancelled?(): void;
  answer(text: string): FakeAnswer | Promise<FakeAnswer>;
}

const BACKEND = "1234";
/** As of a writable server that is no pooler. */
export const GREETING = { pid: BACKEND, standby: "f", readonly: "f" } as const;
/** As of one behind a pooler. */
export const POOLED_GREETING = { ...GREETING, pid: "99" } as const;

const OIDS: Readonly<Record<string, number>> = { pid: 23, standby: 16, readonly: 16 };
const TEXT = 25;
const CANCEL_LENGTH = 16;

function frame(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const READY = frame("Z", Buffer.from("I"));
const LOGIN = Buffer.concat([frame("R", int32(0)), frame("K", int32(Number(BACKEND)), int32(9)), READY]);

function refusal(code: string, severity: string): Buffer {
  return frame("E", Buffer.from(`S${severity}\0V${severity}\0C${code}\0Mrefused by the test\0\0`));
}

function describe(row: Readonly<Record<string, string>>): Buffer {
  const columns = Object.keys(row).map((name) =>
    Buffer.concat([
      Buffer.from(`${name}\0`),
      int32(0),
      int16(0),
      int32(OIDS[name] ?? TEXT),
      int16(0),
      int32(0),
      int16(0),
    ]),
  );
  return frame("T", int16(columns.length), ...columns);
}

function data(row: Readonly<Record<string, string>>): Buffer {
  const values = Object.values(row).map((value) => Buffer.concat([int32(value.length), Buffer.from(value)]));
  return frame("D", int16(values.length), ...values);
}

const DONE = frame("C", Buffer.from("OK\0"));

class Session {
  readonly #socket: net.Socket;
  readonly #script: FakeScript;
  readonly #seen: string[];
  #text = "";
  #answer: Promise<FakeAnswer> = Promise.resolve(null);
  #work: Promise<unknown> = Promise.resolve();

  constructor(socket: net.Socket, script: FakeScript, seen: string[]) {
    this.#socket = socket;
    this.#script = script;
    this.#seen = seen;
  }

  /** A message of the client, after those before it. */
  take(type: string, body: Buffer): void {
    this.#work = this.#work.then(() => this.#handle(type, body));
  }

  async #handle(type: string, body: Buffer): Promise<void> {
    if (type === "Q") {
      this.#ask(body.subarray(0, -1).toString());
      await this.#reply(true);
    } else if (type === "P") {
      const from = body.indexOf(0) + 1;
      this.#ask(body.subarray(from, body.indexOf(0, from)).toString());
    } else if (type === "D") await this.#describe();
    else if (type === "E") await this.#reply(false);
    else if (type === "S" && (await this.#answer) !== null) this.#socket.write(READY);
  }

  #ask(text: string): void {
    this.#text = text;
    this.#seen.push(text);
    this.#answer = Promise.resolve(this.#script.answer(text));
  }

  async #describe(): Promise<void> {
    const given = await this.#answer;
    const types = Array.from(new Set(this.#text.match(/\$\d+/g)), () => int32(TEXT));
    const row = given !== null && typeof given === "object" ? given : {};
    this.#socket.write(Buffer.concat([frame("1"), frame("t", int16(types.length), ...types), describe(row)]));
  }

  async #reply(isSimple: boolean): Promise<void> {
    const given = await this.#answer;
    if (given === null) return;
    if (typeof given === "string") this.#socket.write(refusal(given, "ERROR"));
    else this.#socket.write(Buffer.concat([isSimple ? describe(given) : frame("2"), data(given), DONE]));
    if (isSimple) this.#socket.write(READY);
  }
}

/** Listens until the test ends. Parameters of statements are texts. */
export async function startFakePostgres(t: TestContext, script: FakeScript): Promise<FakePostgres> {
  const sockets = new Set<net.Socket>();
  const statements: string[] = [];
  let logins = 0;
  const logIn = (socket: net.Socket): Session => {
    logins++;
    const code = script.login?.(sockets.size) ?? null;
    if (code === null) socket.write(LOGIN);
    else socket.end(refusal(code, "FATAL"));
    sockets.add(socket);
    return new Session(socket, script, statements);
  };
  const server = net.createServer((socket) => {
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    let session: Session | null = null;
    let buffer = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      buffer = Buffer.concat([buffer, bytes]);
      if (session === null) {
        const length = buffer.readUInt32BE(0);
        buffer = buffer.subarray(length);
        if (length === CANCEL_LENGTH) script.cancelled?.();
        if (length === CANCEL_LENGTH) socket.end();
        else session = logIn(socket);
      }
      while (session !== null && buffer.length > 4 && buffer.length > buffer.readUInt32BE(1)) {
        const end = buffer.readUInt32BE(1) + 1;
        session.take(String.fromCharCode(buffer[0] ?? 0), buffer.subarray(5, end));
        buffer = buffer.subarray(end);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    statements,
    logins: () => logins,
    open: () => sockets.size,
    cut,
  };
}
