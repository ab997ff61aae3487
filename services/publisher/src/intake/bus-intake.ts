/**
 * The way in over the bus: `enqueue` takes the body of `POST /v1/messages` with `idempotency_key` beside it, and answers
 * after the commit. Of several publishers one takes each message.
 *
 * Invariants:
 *  1. `{"message_id","state"}` is answered after the row is durable, `{"error":{…}}` with the codes of HTTP otherwise.
 *  2. Where a token is configured it stands in the body as `token`: there is no second door without it.
 */
import type { Bus } from "@acktor/shared/bus/bus";
import { isSame } from "@acktor/shared/inspect/command-desk";
import { type ApiFault, errorBody } from "@acktor/shared/runtime/api-error";
import type { Intake } from "./intake.ts";
import { type IntakeLimits, validateMessage } from "./validate-message.ts";

export interface BusIntakeOptions {
  readonly bus: Bus;
  readonly subject: string;
  readonly intake: Intake;
  readonly limits: IntakeLimits;
  readonly token: string | null;
}

/** Listens. @returns what ends it; twice is fine */
export function takeFromBus(options: BusIntakeOptions): () => void {
  const { bus, subject } = options;
  return bus.subscribe(
    subject,
    ({ text, respond }) => void enqueue(text, options).then((answer) => respond(JSON.stringify(answer))),
    { queue: "enqueue" },
  );
}

async function enqueue(text: string, { intake, limits, token }: BusIntakeOptions): Promise<object> {
  const body = parse(text);
  if (body === null) return errorBody({ code: "invalid_json", message: "the message is not a JSON object" });
  const { token: given, idempotency_key: key, ...message } = body;
  if (token !== null && !isSame(typeof given === "string" ? given : "", token)) {
    return errorBody({ code: "unauthorized", message: "token is missing or wrong" });
  }
  if (key !== undefined && typeof key !== "string") return errorBody(keyFault("idempotency_key is not a text"));
  const validated = validateMessage(message, key ?? null, limits);
  if (!validated.ok) return errorBody(renamed(validated.fault));
  const result = await intake.submit([validated.value], () => "idempotency_key");
  if (!result.ok) return errorBody(result.fault);
  const [stored] = result.messages;
  if (stored === undefined) return errorBody({ code: "internal", message: "the outbox gave no answer" });
  return { message_id: stored.messageId, state: stored.state };
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

/** Here the key is a field, not a header. */
function renamed(fault: ApiFault): ApiFault {
  return fault.field === "Idempotency-Key"
    ? keyFault(fault.message.replace("Idempotency-Key", "idempotency_key"))
    : fault;
}

function keyFault(message: string): ApiFault {
  return { code: "invalid_field", field: "idempotency_key", message };
}
