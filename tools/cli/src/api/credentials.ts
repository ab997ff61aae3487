/**
 * The address of the service, and the token. A token on the command line works, with a warning (session.ts): every user of
 * the machine can read it in the process list.
 */
import { readFileSync } from "node:fs";
import type { Environment } from "../environment.ts";
import { EXIT, type Result } from "../exit.ts";
import type { Texts } from "../texts/texts.ts";

export interface AddressOptions {
  readonly url?: string;
  readonly token?: string;
  readonly tokenFile?: string;
}

export const DEFAULT_URL = "http://127.0.0.1:8080";

export interface Address {
  readonly url: string;
  readonly token: string | null;
}

/** By the options, else the environment, else the address of `npm start`. */
export function readAddress(options: AddressOptions, env: Environment, texts: Texts): Result<Address> {
  const url = options.url ?? (env["ACKTOR_URL"] || DEFAULT_URL);
  const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (!isHttp) return usage("bad_url", texts.failures.badUrl(url.replace(/\/\/.*@/, "//…@")), texts.failures.urlFix);
  if (new URL(url).username !== "" || new URL(url).password !== "")
    return usage("bad_url", texts.failures.urlHasSecret, texts.failures.tokenFix);
  const token = readToken(options, env, texts);
  return token.ok ? { ok: true, value: { url: url.replace(/\/+$/, ""), token: token.value } } : token;
}

function readToken({ token, tokenFile }: AddressOptions, env: Environment, texts: Texts): Result<string | null> {
  if (token !== undefined) return { ok: true, value: token };
  if (tokenFile === undefined && env["ACKTOR_API_TOKEN"] && env["ACKTOR_API_TOKEN_FILE"])
    return usage("two_tokens", texts.failures.twoTokens, texts.failures.tokenFix);
  const file = tokenFile ?? (env["ACKTOR_API_TOKEN"] ? undefined : env["ACKTOR_API_TOKEN_FILE"] || undefined);
  if (file === undefined) return { ok: true, value: env["ACKTOR_API_TOKEN"] || null };
  try {
    const text = readFileSync(file, "utf8").trim();
    if (text !== "") return { ok: true, value: text };
    return usage("bad_token_file", texts.failures.emptyTokenFile(file), texts.failures.tokenFix);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return usage("bad_token_file", texts.failures.badTokenFile(file, code ?? "?"), texts.failures.tokenFix);
  }
}

function usage(code: string, message: string, fix: string): Result<never> {
  return { ok: false, failure: { exit: EXIT.usage, code, message, fix } };
}
