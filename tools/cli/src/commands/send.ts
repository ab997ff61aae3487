/**
 * `acktor send`: one message, or many with the same content, in batches, at a rate; optionally waits for the acks.
 *
 * Invariants:
 *  CLI_SEND-1. Messages reported as accepted were answered with 201 or 200. If a request got no answer, the failure states that
 *          its messages may have been accepted.
 *  CLI_SEND-2. After a 429 the command waits as long as the service requests, within the timeout.
 *
 * A batch has at most `BATCH` messages and about `BATCH_BYTES` bytes.
 */
import { pause } from "@acktor/shared/runtime/pause";
import type { Api, ApiResult } from "../api/api.ts";
import { type CliFailure, EXIT, type ExitCode, type Result } from "../exit.ts";
import type { Session } from "../session.ts";
import { Progress } from "../terminal/progress.ts";
import { readPayload } from "./payload.ts";
import { type Ends, isOver, waitForAcks } from "./wait-for-acks.ts";

export interface SendOptions {
  readonly count: number;
  /** Messages a second. */
  readonly rate?: number;
  /** Milliseconds. */
  readonly ttl?: number;
  /** Milliseconds. */
  readonly hold?: number;
  readonly qos: string;
  readonly retain?: boolean;
  readonly orderingKey?: string;
  readonly contentType?: string;
  readonly maxRetries?: number;
  readonly idempotencyKey?: string;
  readonly wait?: string;
  /** Milliseconds: for the acks, and for room below the high-water mark. */
  readonly timeout: number;
}

const BATCH = 1_000;
/** The service accepts 8 MiB; escapes make JSON up to six times as long as its text. */
const BATCH_BYTES = 1_000_000;
/** The interval between batches at a rate. */
const PACE_MS = 100;

export async function send(
  session: Session,
  api: Api,
  topic: string,
  payload: string,
  options: SendOptions,
): Promise<ExitCode> {
  const { texts, clock, terminal } = session;
  if (options.count > 1 && options.idempotencyKey !== undefined) {
    const message = texts.failures.oneKeyManyMessages;
    return session.fail({ exit: EXIT.usage, code: "bad_options", message, fix: texts.failures.oneKeyFix });
  }
  const content = await readPayload(session, payload);
  if (!content.ok) return session.fail(content.failure);
  const begin = clock.now();
  const progress = new Progress(terminal, options.count, clock);
  const body = messageBody(topic, content.value, options);
  const sender = new Sender(session, api, body, options, progress);
  const failure = await sender.run();
  const seconds = (clock.now() - begin) / 1_000;
  if (failure !== null) {
    progress.end();
    if (sender.ids.length > 0) terminal.note(texts.send.acceptedBefore(sender.ids.length));
    return session.fail(failure);
  }
  const waited =
    options.wait === undefined ? null : await waitForAcks(session, api, sender.ids, options.timeout, progress);
  progress.end();
  return report(session, sender.ids, seconds, waited);
}

function report(session: Session, ids: readonly string[], seconds: number, waited: Result<Ends> | null): ExitCode {
  const { send: t } = session.texts;
  if (waited !== null && !waited.ok) return session.fail(waited.failure);
  const ends = waited?.value ?? null;
  const output = { accepted: ids.length, message_ids: ids, seconds, waited: ends };
  const text = ({ message_ids: [id = ""] }: typeof output): string => {
    const head = ids.length === 1 ? t.acceptedOne(id) : t.accepted(ids.length, seconds.toFixed(2));
    return ends === null ? head : `${head}\n${t.waited(ends, ends.seconds.toFixed(2))}`;
  };
  if (ends !== null && ends.failed + ends.expired > 0) return session.answer(output, text, EXIT.failed);
  return session.answer(output, text, ends === null || isOver(ends) ? EXIT.done : EXIT.timeout);
}

type MessageBody = Readonly<Record<string, unknown>>;

function messageBody(topic: string, content: MessageBody, options: SendOptions): MessageBody {
  const { ttl, hold, retain, orderingKey, contentType, maxRetries } = options;
  return {
    topic,
    ...content,
    qos: Number(options.qos),
    ...(ttl === undefined ? {} : { ttl_seconds: ttl / 1_000 }),
    ...(hold === undefined ? {} : { hold_seconds: hold / 1_000 }),
    ...(retain === undefined ? {} : { retain }),
    ...(orderingKey === undefined ? {} : { ordering_key: orderingKey }),
    ...(contentType === undefined ? {} : { content_type: contentType }),
    ...(maxRetries === undefined ? {} : { max_retries: maxRetries }),
  };
}

class Sender {
  readonly ids: string[] = [];
  readonly #session: Session;
  readonly #api: Api;
  readonly #body: MessageBody;
  readonly #options: SendOptions;
  readonly #progress: Progress;

  constructor(session: Session, api: Api, body: MessageBody, options: SendOptions, progress: Progress) {
    this.#session = session;
    this.#api = api;
    this.#body = body;
    this.#options = options;
    this.#progress = progress;
  }

  /** Null if all messages were accepted. */
  async run(): Promise<CliFailure | null> {
    const { clock, signal, texts } = this.#session;
    const { count, rate } = this.#options;
    const most = Math.max(1, Math.min(BATCH, Math.floor(BATCH_BYTES / JSON.stringify(this.#body).length)));
    const begin = clock.now();
    while (this.ids.length < count && !signal.aborted) {
      const due = rate === undefined ? count : dueBy(clock.now() - begin, rate);
      const size = Math.min(most, count - this.ids.length, due - this.ids.length);
      if (size <= 0) await pause(untilDue(this.ids.length, clock.now() - begin, rate ?? 1), signal);
      else {
        const failure = await this.#sendBatch(size);
        if (failure !== null) return failure;
        this.#progress.show(texts.send.sending, this.ids.length);
      }
    }
    return null;
  }

  async #sendBatch(size: number): Promise<CliFailure | null> {
    const { clock, signal, texts } = this.#session;
    const until = clock.now() + this.#options.timeout;
    for (;;) {
      const result = await this.#request(size);
      if (result.ok) {
        this.ids.push(...result.value);
        return null;
      }
      // CLI_SEND-1
      if (result.status !== 429) return result.status === null ? unsure(result.failure, size, texts) : result.failure;
      // CLI_SEND-2
      const waitMs = (result.retryAfterSeconds ?? 1) * 1_000;
      if (clock.now() + waitMs > until) return { ...result.failure, exit: EXIT.timeout };
      await pause(waitMs, signal);
      if (signal.aborted) return result.failure;
    }
  }

  async #request(size: number): Promise<ApiResult<readonly string[]>> {
    const { idempotencyKey } = this.#options;
    const item = idempotencyKey === undefined ? this.#body : { ...this.#body, idempotency_key: idempotencyKey };
    const body = { messages: Array.from({ length: size }, () => item) };
    const result = await this.#api.post<{ message_ids: readonly string[] }>("/v1/messages/batch", body);
    return result.ok ? { ok: true, value: result.value.message_ids } : result;
  }
}

/** Messages due by `ms` after the start; the first is due immediately. */
function dueBy(ms: number, rate: number): number {
  return 1 + Math.floor((ms * rate) / 1_000);
}

/** Milliseconds until the next message is due; at a high rate until several are. */
function untilDue(sent: number, ms: number, rate: number): number {
  const next = (sent * 1_000) / rate - ms;
  return Math.max(1, Math.min(next > 0 ? Math.max(next, rate > 1_000 / PACE_MS ? PACE_MS : 0) : 1, 2 ** 31 - 1));
}

function unsure(failure: CliFailure, size: number, texts: Session["texts"]): CliFailure {
  return { ...failure, message: `${failure.message}; ${texts.send.unsure(size)}` };
}
