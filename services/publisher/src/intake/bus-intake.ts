/**
 * The intake over the bus: `enqueue` takes the body of `POST /v1/messages` with the additional field `idempotency_key`, and
 * answers after the commit: `{"message_id","state"}`, or `{"error":{…}}` with the codes of HTTP. One of several publishers
 * takes each message.
 *
 * Invariants:
 *  ENQUEUE-2. Where the bus has a key, a message without its seal is answered `unauthorized`: no other way leads around it.
 *  ENQUEUE-3. A sealed message stores one message, however often it is received and by any publisher: its nonce is the
 *             idempotency key where it names none, and the outbox keeps keys for longer than a seal is valid.
 *  ENQUEUE-4. At most `MOST_UNDER_WAY` messages and `MOST_BYTES_UNDER_WAY` bytes wait for their commit; more are rejected with
 *             `high_water`.
 */
import type { Bus, BusMessage, SealRefusal } from "@acktor/shared/bus/bus";
import { isJsonObject, readJsonText } from "@acktor/shared/protocol/bounded-json";
import { type ApiFault, errorBody } from "@acktor/shared/runtime/api-error";
import type { Intake } from "./intake.ts";
import { ON_THE_BUS } from "./request.ts";
import { type IntakeLimits, validateMessage } from "./validate-message.ts";

export interface BusIntakeOptions {
  readonly bus: Bus;
  readonly subject: string;
  readonly intake: Intake;
  readonly limits: IntakeLimits;
}

const MOST_UNDER_WAY = 2_000;
const MOST_BYTES_UNDER_WAY = 16 * 1024 * 1024;
/** A message has a dozen fields, and none of them has fields of its own. */
const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 4, maxValues: 200 };

/** Subscribes. @returns what ends the subscription; a second call has no effect */
export function takeFromBus(options: BusIntakeOptions): () => void {
  const { bus, subject } = options;
  const load = { messages: 0, bytes: 0 };
  const take = async ({ text, nonce, respond }: BusMessage): Promise<void> => {
    // ENQUEUE-4
    const crowded = load.messages >= MOST_UNDER_WAY || load.bytes + text.length > MOST_BYTES_UNDER_WAY;
    if (crowded) return respond(JSON.stringify(errorBody(CROWDED)));
    load.messages++;
    load.bytes += text.length;
    try {
      respond(JSON.stringify(await enqueue(text, nonce, options)));
    } finally {
      load.messages--;
      load.bytes -= text.length;
    }
  };
  // ENQUEUE-2
  const refused = ({ respond }: BusMessage, why: SealRefusal): void =>
    respond(JSON.stringify(errorBody(unsealed(why))));
  return bus.subscribe(subject, take, { queue: "enqueue", refused });
}

async function enqueue(text: string, nonce: string | null, { intake, limits }: BusIntakeOptions): Promise<object> {
  const read = readJsonText(text, LIMITS);
  if (!read.ok) return errorBody({ code: "invalid_json", message: `the message ${read.reason}` });
  if (!isJsonObject(read.value))
    return errorBody({ code: "invalid_json", message: "the message is not a JSON object" });
  const { idempotency_key: named, ...message } = read.value;
  if (named !== undefined && typeof named !== "string") return errorBody(keyFault("idempotency_key is not a text"));
  // ENQUEUE-3
  const key = named ?? (nonce === null ? null : `bus:${nonce}`);
  const validated = validateMessage(message, key, limits);
  if (!validated.ok) return errorBody(renamed(validated.fault));
  const result = await intake.submit([validated.value], ON_THE_BUS);
  if (!result.ok) return errorBody(result.fault);
  const [stored] = result.messages;
  if (stored === undefined) return errorBody({ code: "internal", message: "the outbox gave no answer" });
  return { message_id: stored.messageId, state: stored.state };
}

const CROWDED: ApiFault = {
  code: "high_water",
  message: "too many messages of the bus wait for the database",
  retryAfterSeconds: 1,
};

function unsealed({ reason }: SealRefusal): ApiFault {
  const fix = "Sign the message: docs/reference/control-plane.md#signed-messages has an example.";
  return { code: "unauthorized", message: reason, fix };
}

/** On the bus the key is a field, not a header. */
function renamed(fault: ApiFault): ApiFault {
  return fault.field === "Idempotency-Key"
    ? keyFault(fault.message.replace("Idempotency-Key", "idempotency_key"))
    : fault;
}

function keyFault(message: string): ApiFault {
  return { code: "invalid_field", field: "idempotency_key", message };
}
