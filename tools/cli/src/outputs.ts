/**
 * What each command prints with `--json`: one object, or one per line (`watch`, `status --watch`).
 *
 * Commands import only types from here, so that no run loads the schemas; a test validates every command's real output.
 * Objects of the service may have more fields.
 */
import { z } from "zod";

const time = z.string();
const state = z.enum(["pending", "sent", "acknowledged", "failed", "expired"]);
const connectionState = z.enum(["DISCONNECTED", "CONNECTING", "CONNECTED", "RECONNECTING", "ERROR"]);

const connection = z.looseObject({
  state: connectionState,
  breaker: z.enum(["CLOSED", "OPEN", "HALF_OPEN"]),
  broker: z.string(),
  client_id: z.string(),
  uptime_seconds: z.number().nullable(),
  connected_at: time.nullable(),
  disconnected_at: time.nullable(),
  last_activity_at: time.nullable(),
  last_error: z.looseObject({ type: z.string(), reason: z.string(), at: time }).nullable(),
  retry_count: z.number(),
  buffer_size: z.number().nullable().optional(),
});

const statistics = z.looseObject({
  connection_attempts: z.number(),
  successful_connections: z.number(),
  disconnections: z.number(),
  messages_sent: z.number(),
  messages_received: z.number(),
  errors_by_type: z.record(z.string(), z.number()),
});

export const serviceStatus = z.looseObject({
  service: z.enum(["publisher", "acker"]),
  instance: z.string(),
  version: z.string(),
  state: z.string(),
  connection,
  statistics,
});

export const deliveryStats = z.looseObject({
  by_state: z.record(state, z.object({ count: z.number(), avg_retries: z.number() })),
  total_messages: z.number(),
  success_rate: z.number(),
  pending_count: z.number(),
});

/** `status`; an acker has no delivery statistics. */
export const statusOutput = z.strictObject({ status: serviceStatus, stats: deliveryStats.nullable() });

/** `send`. `waited` with `--wait`: the messages' states when the command ended. */
export const sendOutput = z.strictObject({
  accepted: z.int(),
  message_ids: z.array(z.uuid()),
  seconds: z.number(),
  waited: z
    .strictObject({ acknowledged: z.int(), failed: z.int(), expired: z.int(), open: z.int(), seconds: z.number() })
    .nullable(),
});

export const messageRow = z.looseObject({
  message_id: z.uuid(),
  topic: z.string(),
  state,
  payload: z.string(),
  content_encoding: z.enum(["utf8", "base64"]),
  created_at: time,
  retry_count: z.number(),
  reason: z.string().nullable(),
});

/** `messages list`, `dead-letters show`. */
export const messagesOutput = z.strictObject({ messages: z.array(messageRow), next_before: z.string().nullable() });

/** `messages show`. */
export const messageOutput = messageRow.extend({
  attempts: z.array(
    z.looseObject({
      attempt: z.number(),
      outcome: z.string(),
      reason_code: z.number().nullable(),
      sent_at: time.nullable(),
      client_id: z.string().nullable(),
      detail: z.string().nullable(),
    }),
  ),
  attempts_total: z.number().optional(),
  acks: z.array(z.looseObject({ client_id: z.string(), acknowledged_at: time, late: z.boolean(), level: z.string() })),
  acks_total: z.number().optional(),
});

/** `dead-letters list`. */
export const deadLettersOutput = z.strictObject({
  groups: z.array(
    z.looseObject({
      reason: z.string().nullable(),
      state: z.enum(["failed", "expired"]),
      count: z.number(),
      oldest: time,
      newest: time,
    }),
  ),
  complete: z.boolean(),
});

/** `dead-letters replay` and `discard`. */
export const changeOutput = z.looseObject({
  dry_run: z.boolean(),
  matched: z.int(),
  /** In a dry run: how many would be refused. */
  refused: z.int(),
  refusals: z.array(z.object({ why: z.string(), count: z.int(), message_id: z.string() })),
});

/** `pause` … `breaker close`: the service's answer. */
export const controlOutput = z.looseObject({});

const principal = z.looseObject({
  name: z.string(),
  scopes: z.array(z.enum(["send", "read", "operate", "admin"])),
  topics: z.object({ write: z.array(z.string()), read: z.array(z.string()) }),
  requests_per_second: z.number().nullable(),
  most_waiting: z.number().nullable(),
  expires_at: time.nullable(),
  created_at: time,
  created_by: z.string(),
  revoked_at: time.nullable(),
});

/** `token create`: the only output with the token. */
export const tokenOutput = principal.extend({ token: z.string() });

/** `token list`. */
export const tokensOutput = z.object({ principals: z.array(principal) });

/** `token revoke`. */
export const revokedOutput = principal;

/** `watch` and `replay-recording`, one per line. */
export const watchLine = z.strictObject({
  event: z.enum(["snapshot", "inspect", "instance", "gone", "bus"]),
  /** Milliseconds since 1970: when it was received; in a recording, when it happened. */
  at: z.number(),
  data: z.looseObject({}),
});

export const verdict = z.enum(["OK", "WARN", "FAIL"]);

/** `doctor`. */
export const doctorOutput = z.strictObject({
  verdict,
  checks: z.array(
    z.strictObject({
      check: z.string(),
      verdict,
      found: z.string(),
      /** Empty if OK. */
      fix: z.string(),
      data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    }),
  ),
});

const serviceName = z.enum(["publisher", "acker"]);

/** `config print`: secrets are `***`. */
export const configOutput = z.strictObject({
  services: z.array(
    z.strictObject({
      service: serviceName,
      settings: z.record(
        z.string(),
        z.strictObject({ value: z.string().nullable(), from: z.enum(["environment", "file", "default", "unset"]) }),
      ),
    }),
  ),
});

/** `config check`. */
export const configCheckOutput = z.strictObject({
  ok: z.boolean(),
  services: z.array(z.strictObject({ service: serviceName, faults: z.array(z.string()) })),
});

/** `migrate`. */
export const migrateOutput = z.strictObject({
  dry_run: z.boolean(),
  schemas: z.array(z.strictObject({ schema: serviceName, applied: z.array(z.string()), pending: z.array(z.string()) })),
});

/** `start`, when both services are ready; it then runs until it is stopped. */
export const startOutput = z.strictObject({
  state: z.literal("ready"),
  console: z.url(),
  publisher: z.url(),
  acker: z.url(),
});

/** `demo`, at its end. */
export const demoOutput = z.strictObject({
  passed: z.boolean(),
  checks: z.array(z.strictObject({ check: z.string(), found: z.int(), wanted: z.int() })),
});

/** `completion`. */
export const completionOutput = z.strictObject({ shell: z.enum(["bash", "zsh", "fish"]), script: z.string() });

/** On standard error, if a command with `--json` fails. */
export const failureOutput = z.strictObject({
  error: z.strictObject({ code: z.string(), message: z.string(), fix: z.string(), exit: z.int().min(1).max(4) }),
});
