/**
 * Classifies failures into five types, and decides what the link does next. Pure.
 *
 * Input: errno, CONNACK, SUBACK, PUBACK and DISCONNECT codes of MQTT 3.1.1 and 5, and our own deadlines.
 */
import type { Deadline, FailureInput, Said } from "../mqtt/failure-input.ts";
import type { ErrorType } from "../runtime/error-type.ts";
import type { LinkFailure } from "./link.ts";

/**
 * What the link does after a session ended:
 *  - `retry`: the backoff;
 *  - `busy`: the backoff, from its fifth step at least;
 *  - `older_version`: the broker requires an older version: 3.1.1 next; without an older version, `operator`;
 *  - `maybe_older_version`: the broker closed before CONNACK: 3.1.1 next; without an older version, `retry`;
 *  - `lesser_will`: the broker refused the will: a lesser one next, then none; without a will, `operator`;
 *  - `renew`: there are new credentials: the same again, without a wait;
 *  - `operator`: ERROR, with single probes.
 */
export type Remedy = "retry" | "busy" | "older_version" | "maybe_older_version" | "lesser_will" | "renew" | "operator";

interface CodeMeaning {
  readonly text: string;
  readonly type: ErrorType;
  readonly remedy: Exclude<Remedy, "maybe_older_version" | "renew">;
}

/** CONNACK of 3.1.1. */
const CONNACK_311: Readonly<Record<number, CodeMeaning>> = {
  1: { text: "unacceptable protocol version", type: "protocol", remedy: "older_version" },
  2: { text: "client identifier rejected", type: "authentication", remedy: "operator" },
  3: { text: "server unavailable", type: "network", remedy: "busy" },
  4: { text: "bad user name or password", type: "authentication", remedy: "operator" },
  5: { text: "not authorized", type: "authentication", remedy: "operator" },
};

/** Reason codes of MQTT 5, in CONNACK and DISCONNECT. Unknown ones are retried. */
const REASONS: Readonly<Record<number, CodeMeaning>> = {
  0: { text: "the broker said goodbye", type: "network", remedy: "retry" },
  128: { text: "unspecified error", type: "network", remedy: "retry" },
  129: { text: "malformed packet", type: "protocol", remedy: "retry" },
  130: { text: "protocol error", type: "protocol", remedy: "retry" },
  131: { text: "implementation specific error", type: "application", remedy: "retry" },
  132: { text: "unsupported protocol version", type: "protocol", remedy: "older_version" },
  133: { text: "client identifier not valid", type: "authentication", remedy: "operator" },
  134: { text: "bad user name or password", type: "authentication", remedy: "operator" },
  135: { text: "not authorized", type: "authentication", remedy: "operator" },
  136: { text: "server unavailable", type: "network", remedy: "busy" },
  137: { text: "server busy", type: "network", remedy: "busy" },
  138: { text: "banned", type: "authentication", remedy: "operator" },
  139: { text: "server shutting down", type: "network", remedy: "retry" },
  140: { text: "bad authentication method", type: "authentication", remedy: "operator" },
  141: { text: "keepalive timeout", type: "timeout", remedy: "retry" },
  142: { text: "session taken over by another client of this id", type: "authentication", remedy: "operator" },
  143: { text: "topic filter invalid", type: "protocol", remedy: "operator" },
  144: { text: "topic name invalid", type: "application", remedy: "retry" },
  145: { text: "packet identifier in use", type: "protocol", remedy: "retry" },
  147: { text: "receive maximum exceeded", type: "protocol", remedy: "retry" },
  148: { text: "topic alias invalid", type: "protocol", remedy: "retry" },
  149: { text: "packet too large", type: "application", remedy: "retry" },
  150: { text: "message rate too high", type: "network", remedy: "busy" },
  151: { text: "quota exceeded", type: "network", remedy: "busy" },
  152: { text: "administrative action", type: "network", remedy: "busy" },
  153: { text: "payload format invalid", type: "application", remedy: "retry" },
  154: { text: "retain not supported", type: "protocol", remedy: "lesser_will" },
  155: { text: "QoS not supported", type: "protocol", remedy: "lesser_will" },
  156: { text: "use another server", type: "network", remedy: "busy" },
  157: { text: "server moved", type: "protocol", remedy: "operator" },
  158: { text: "shared subscriptions not supported", type: "protocol", remedy: "operator" },
  159: { text: "connection rate exceeded", type: "network", remedy: "busy" },
  160: { text: "maximum connect time", type: "network", remedy: "retry" },
  161: { text: "subscription identifiers not supported", type: "protocol", remedy: "operator" },
  162: { text: "wildcard subscriptions not supported", type: "protocol", remedy: "operator" },
};

/**
 * Some brokers close the connection on a message that they refuse. The next connection is fine; if these codes needed the
 * operator, one message would stop all others for a minute. Revoked credentials show at the next CONNACK.
 */
const HUNG_UP_ON_A_MESSAGE: ReadonlySet<number> = new Set([0x87, 0x9a, 0x9b]);

const UNKNOWN: CodeMeaning = { text: "unknown reason code", type: "protocol", remedy: "retry" };

/** A certificate that does not verify: a retry does not help, an operator must act. */
const CERTIFICATE =
  /^(CERT_|ERR_TLS_CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(GET_ISSUER|VERIFY|DECRYPT|DECODE)|INVALID_(CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH)/;
/** The broker does not accept our certificate, or wants one. */
const CLIENT_CERTIFICATE =
  /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN|REQUIRED)|UNKNOWN_CA|ACCESS_DENIED)$/;
const TLS_PROTOCOL = /^(EPROTO$|ERR_SSL_)/;
const TIMED_OUT = /^(ETIMEDOUT|ESOCKETTIMEDOUT|ERR_SOCKET_CONNECTION_TIMEOUT)$/;

/** PUBACK and PUBREC codes that concern the broker's state, not the one message. They count against the breaker. */
const BROKER_TROUBLE: ReadonlySet<number> = new Set([0x97]);

const DEADLINES: Readonly<Record<Deadline, string>> = {
  connect: "no connection with its subscriptions",
  suback: "no SUBACK",
  puback: "no PUBACK",
  silence: "a PUBLISH is outstanding and nothing came",
  keepalive: "nothing came, not even a PINGRESP",
};

/** Sorts a failure into one of the five types. `retryable`: a retry without an operator may help. */
export function classifyFailure(input: FailureInput): LinkFailure {
  const { type, reason, code } = describe(input);
  const remedy = remedyFor(input);
  const retryable = remedy !== "operator" && remedy !== "older_version" && remedy !== "lesser_will";
  return { type, retryable, reason: oneLine(reason), code };
}

/** Why the broker refused an optional subscription. @param code of SUBACK; null: no SUBACK in time */
export function subscriptionRefusal(protocolVersion: 4 | 5, code: number | null, said?: string): string {
  if (code === null) return "no SUBACK in time";
  return oneLine(withWords(meaningOf({ kind: "suback", protocolVersion, code, filter: "" }).text, { said }));
}

/** What the link does after a session that ended this way. */
export function remedyFor(input: FailureInput): Remedy {
  switch (input.kind) {
    case "connack":
    case "suback":
      return meaningOf(input).remedy;
    case "disconnect":
      return HUNG_UP_ON_A_MESSAGE.has(input.code) ? "retry" : meaningOf(input).remedy;
    case "closed":
      return input.beforeConnack ? "maybe_older_version" : "retry";
    case "error":
      return isCertificate(input.code ?? "") ? "operator" : "retry";
    case "credentials":
      return input.needsOperator ? "operator" : "retry";
    case "puback":
    case "malformed":
    case "deadline":
    case "bug":
      return "retry";
  }
}

/** True when a refused PUBLISH shows trouble of the broker, false when it concerns that one message. */
export function isBrokerTrouble(reasonCode: number): boolean {
  return BROKER_TROUBLE.has(reasonCode);
}

function describe(input: FailureInput): Omit<LinkFailure, "retryable"> {
  switch (input.kind) {
    case "error":
      return { type: typeOfErrno(input.code), reason: input.message, code: input.code };
    case "closed":
      return {
        type: "network",
        reason: input.beforeConnack ? "closed before CONNACK" : "connection closed",
        code: null,
      };
    case "connack":
      return codedAs(meaningOf(input), "refused", input);
    case "suback":
      return codedAs(meaningOf(input), `subscription to ${input.filter} refused`, input);
    case "puback":
      return codedAs(REASONS[input.code] ?? UNKNOWN, "message refused", input);
    case "disconnect":
      return codedAs(meaningOf(input), "disconnected", input);
    case "credentials":
      return { type: "authentication", reason: input.message, code: input.code };
    case "malformed":
      return { type: "protocol", reason: `malformed packet: ${input.message}`, code: null };
    case "deadline":
      return { type: "timeout", reason: `${DEADLINES[input.of]} for ${input.afterMs} ms`, code: null };
    case "bug":
      return { type: "application", reason: input.message, code: null };
  }
}

function codedAs({ type, text }: CodeMeaning, what: string, input: Said & { readonly code: number }) {
  return { type, reason: `${what}: ${withWords(text, input)}`, code: input.code };
}

/** The code's meaning, then the broker's own words. */
function withWords(text: string, { said, serverReference }: Said): string {
  const where = serverReference === undefined ? "" : ` (${serverReference})`;
  return said === undefined ? `${text}${where}` : `${text}${where}: “${said}”`;
}

type CodedInput = Extract<FailureInput, { kind: "connack" | "suback" | "disconnect" }>;

function meaningOf(input: CodedInput): CodeMeaning {
  // A broker that speaks only 3.1.1 answers a CONNECT of version 5 with its own codes: code 1 is no code of version 5.
  if (input.kind === "connack" && input.code < 0x80) return CONNACK_311[input.code] ?? UNKNOWN;
  const meaning = REASONS[input.code] ?? UNKNOWN;
  if (input.kind !== "suback") return meaning;
  // 3.1.1 has one code for every refusal; nearly always the access list is the cause.
  if (input.protocolVersion === 4) return { text: "refused", type: "authentication", remedy: "operator" };
  return meaning;
}

function isCertificate(code: string): boolean {
  return CERTIFICATE.test(code) || CLIENT_CERTIFICATE.test(code);
}

function typeOfErrno(code: string | null): ErrorType {
  if (code === null) return "network";
  if (isCertificate(code)) return "authentication";
  if (TLS_PROTOCOL.test(code)) return "protocol";
  return TIMED_OUT.test(code) ? "timeout" : "network";
}

/** Reasons appear in logs and pages: one line, bounded, without control characters. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").slice(0, 300);
}
