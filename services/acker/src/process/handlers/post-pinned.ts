/**
 * One POST to a checked address: the request connects to the very address that was checked. No redirect is followed.
 *
 * Invariants:
 *  POST-1. The name is resolved once. All its addresses must be allowed, and the request uses the first. A name that
 *          resolves differently a moment later changes nothing.
 *  POST-2. At most `maxBytes` of the answer are read.
 *  POST-3. The result is a value, within `timeoutMs` including the resolution; earlier when `signal` is aborted.
 */
import { lookup } from "node:dns/promises";
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { type AllowedHosts, isAllowedAddress, plainName } from "./public-address.ts";

export interface PinnedPost {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly allowed: AllowedHosts;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** Every address of a name. Default: the system's resolver. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

export type PostResult =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly retryAfter: string | null;
      readonly date: string | null;
    }
  /** Nothing was sent: an address of the host is not allowed. */
  | { readonly kind: "forbidden"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string };

/** Sends it. Never rejects. */
export async function postPinned(post: PinnedPost): Promise<PostResult> {
  // POST-3
  const timer = AbortSignal.timeout(post.timeoutMs);
  const signal = AbortSignal.any([post.signal, timer]);
  const late = `no answer within ${post.timeoutMs / 1_000} s`;
  try {
    const addresses = await unlessAborted(addressesOf(post), signal);
    // POST-1
    const forbidden = addresses.find((address) => !isAllowedAddress(address, post.allowed));
    if (forbidden !== undefined) {
      return { kind: "forbidden", why: `${forbidden} is not public and not in ACKTOR_WEBHOOK_HOSTS` };
    }
    const [address] = addresses;
    if (address === undefined) return { kind: "failed", why: "the host has no address" };
    return await send(post, address, signal);
  } catch (error) {
    if (timer.aborted) return { kind: "failed", why: late };
    const { code, message } = error as NodeJS.ErrnoException;
    return { kind: "failed", why: code ?? message };
  }
}

async function addressesOf({ url, resolve = systemResolve }: PinnedPost): Promise<readonly string[]> {
  const host = plainName(url.hostname);
  return isIP(host) === 0 ? resolve(host) : [host];
}

async function systemResolve(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function send(post: PinnedPost, address: string, signal: AbortSignal): Promise<PostResult> {
  const { url, headers, body, maxBytes } = post;
  const family = isIP(address);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? https : http).request(url, {
      method: "POST",
      headers: { ...headers, "content-length": String(body.byteLength) },
      // A new connection: a kept one could lead to another address.
      agent: false,
      signal,
      lookup: (_name, options, give) => {
        if (options.all) give(null, [{ address, family }]);
        else give(null, address, family);
      },
    });
    request.once("error", reject);
    request.once("response", (response) => {
      const retryAfter = response.headers["retry-after"] ?? null;
      const result = {
        kind: "answered",
        status: response.statusCode ?? 0,
        retryAfter,
        date: response.headers.date ?? null,
      } as const;
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.byteLength;
        if (bytes <= maxBytes) return; // POST-2
        resolve(result);
        request.destroy();
      });
      response.once("end", () => resolve(result));
      response.once("error", reject);
      response.once("close", () => reject(new Error("the answer broke off")));
    });
    request.end(body);
  });
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Error("aborted"));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
