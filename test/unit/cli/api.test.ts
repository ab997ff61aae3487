/** How the service's answers become results, and where the token is sent. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { Api, type ApiResult } from "@acktor/cli/api/api";
import { readAddress } from "@acktor/cli/api/credentials";
import { readEvents } from "@acktor/cli/api/server-sent-events";
import { english } from "@acktor/cli/texts/english";

const TOKEN = "canary-0123456789abcdef";

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function apiAt(url: string, signal = new AbortController().signal): Api {
  return new Api({ url, token: TOKEN, texts: english, signal });
}

function endOf(result: ApiResult<unknown>): unknown {
  return result.ok ? "ok" : [result.failure.exit, result.failure.code];
}

test("each status has its exit code; foreign text in an error is made safe", async (t) => {
  const errors = new Map([
    ["/400", 400],
    ["/401", 401],
    ["/404", 404],
    ["/409", 409],
    ["/413", 413],
    ["/429", 429],
    ["/500", 500],
    ["/503", 503],
    ["/504", 504],
  ]);
  const url = await serve(t, (request, response) => {
    const status = errors.get(request.url ?? "") ?? 200;
    response.writeHead(status, { "retry-after": "7" });
    response.end(JSON.stringify({ error: { code: `code_${status}`, message: "no\u001b[2J", fix: "do\nthis" } }));
  });
  const ends = await Promise.all([...errors.keys()].map(async (route) => endOf(await apiAt(url).get(route))));
  assert.deepEqual(ends, [
    [2, "code_400"],
    [2, "code_401"],
    [1, "code_404"],
    [1, "code_409"],
    [2, "code_413"],
    [1, "code_429"],
    [1, "code_500"],
    [3, "code_503"],
    [3, "code_504"],
  ]);
  const refused = await apiAt(url).post("/429", {});
  assert.ok(!refused.ok);
  assert.deepEqual([refused.failure.message, refused.failure.fix], ["no\\u001b[2J", "do\\u000athis"]);
  assert.deepEqual([refused.status, refused.retryAfterSeconds], [429, 7]);
});

test("API-1: another program, and an unreachable address, are failures with exit code 3", async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === "/hangup") response.destroy();
    else if (request.url === "/html") response.end("<html>");
    else if (request.url === "/list") response.end("null");
    else response.writeHead(404).end("nothing here");
  });
  assert.deepEqual(endOf(await apiAt(url).get("/html")), [3, "not_acktor"]);
  assert.deepEqual(endOf(await apiAt(url).get("/list")), [3, "not_acktor"]);
  assert.deepEqual(endOf(await apiAt(url).get("/other")), [3, "not_acktor"]);
  assert.deepEqual(endOf(await apiAt(url).get("/hangup")), [3, "service_away"]);
  const unreachable = await apiAt("http://127.0.0.1:1").get("/v1/status");
  assert.ok(!unreachable.ok);
  assert.equal(unreachable.failure.exit, 3);
  assert.match(unreachable.failure.message, /127\.0\.0\.1:1/);
});

test("API-2: the token is sent only to the given address", async (t) => {
  const heard: (string | undefined)[] = [];
  const other = await serve(t, (request, response) => {
    heard.push(request.headers.authorization);
    response.end("{}");
  });
  const url = await serve(t, (request, response) => {
    assert.equal(request.headers.authorization, `Bearer ${TOKEN}`);
    if (request.url === "/moved") response.writeHead(307, { location: `${other}/v1/status` }).end();
    else response.end("{}");
  });
  assert.equal(endOf(await apiAt(url).get("/v1/status")), "ok");
  const moved = await apiAt(url).get("/moved");
  assert.deepEqual(endOf(moved), [3, "service_away"]);
  assert.deepEqual(heard, [], "a redirect was followed");
  assert.ok(!JSON.stringify(moved).includes(TOKEN));
});

test("Ctrl-C ends a request that hangs", async (t) => {
  const abort = new AbortController();
  const url = await serve(t, () => abort.abort());
  assert.equal((await apiAt(url, abort.signal).get("/v1/status")).ok, false);
});

test("address and token: options before the environment, files, invalid values", async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-unit-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, "token");
  const empty = path.join(folder, "empty");
  await Promise.all([writeFile(file, `${TOKEN}\n`), writeFile(empty, "\n")]);
  const read = (options: Parameters<typeof readAddress>[0], env: Record<string, string> = {}): unknown => {
    const result = readAddress(options, env, english);
    return result.ok ? [result.value.url, result.value.token] : [result.failure.exit, result.failure.code];
  };
  const local = "http://127.0.0.1:8080";
  assert.deepEqual(read({}), [local, null]);
  assert.deepEqual(read({}, { ACKTOR_URL: "https://a.example/x/", ACKTOR_API_TOKEN: "t" }), [
    "https://a.example/x",
    "t",
  ]);
  assert.deepEqual(read({ url: "http://b" }, { ACKTOR_URL: "http://a" }), ["http://b", null]);
  assert.deepEqual(read({ tokenFile: file }, { ACKTOR_API_TOKEN: "t" }), [local, TOKEN]);
  assert.deepEqual(read({}, { ACKTOR_API_TOKEN_FILE: file }), [local, TOKEN]);
  assert.deepEqual(read({}, { ACKTOR_API_TOKEN_FILE: file, ACKTOR_API_TOKEN: "t" }), [2, "two_tokens"]);
  assert.deepEqual(read({ tokenFile: path.join(folder, "none") }), [2, "bad_token_file"]);
  assert.deepEqual(read({ tokenFile: empty }), [2, "bad_token_file"]);
  assert.deepEqual(read({ url: "ftp://a" }), [2, "bad_url"]);
  assert.deepEqual(read({ url: "nonsense" }), [2, "bad_url"]);
  const secret = readAddress({ url: `http://me:${TOKEN}@a` }, {}, english);
  assert.ok(!secret.ok && !JSON.stringify(secret).includes(TOKEN));
});

test("server-sent events are complete for every way to cut the bytes", async () => {
  const text =
    'event: snapshot\r\ndata: {"a":"ü"}\r\n\r\n:\n\ndata: one\ndata:two\n\nevent:bus\rdata: x\r\rdata: cut off';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const events = [];
    for await (const event of readEvents(chunks())) events.push(event);
    assert.deepEqual(
      events,
      [
        { name: "snapshot", data: '{"a":"ü"}' },
        { name: "message", data: "one\ntwo" },
        { name: "bus", data: "x" },
      ],
      `in pieces of ${size}`,
    );
  }
});
