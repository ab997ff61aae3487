/** The content for `send`: the argument, or with `-` standard input: as text if it is UTF-8, else as base64. */
import { EXIT, type Result } from "../exit.ts";
import type { Session } from "../session.ts";

/** The service accepts 256 KiB. */
const MOST_BYTES = 262_144;

export type Content = { readonly content: string } | { readonly content_base64: string };

export async function readPayload(session: Session, payload: string): Promise<Result<Content>> {
  if (payload !== "-") return { ok: true, value: { content: payload } };
  const bytes = await readInput(session.signal);
  if (bytes.length > MOST_BYTES) {
    const message = session.texts.failures.payloadTooLarge;
    return {
      ok: false,
      failure: { exit: EXIT.usage, code: "too_large", message, fix: session.texts.failures.payloadFix },
    };
  }
  const text = asText(bytes);
  return { ok: true, value: text === null ? { content_base64: bytes.toString("base64") } : { content: text } };
}

async function readInput(signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const stop = (): void => void process.stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > MOST_BYTES) break;
  }
  signal.removeEventListener("abort", stop);
  return Buffer.concat(chunks);
}

/** Null if it is not UTF-8, or contains NUL, which the outbox stores only as base64. */
function asText(bytes: Buffer): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
