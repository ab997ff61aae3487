/** English. Its shape is the type of every language, so a text that is missing in one is a type error. */
import { STATUS_WORDS } from "@acktor/shared/texts/status-words";
import { englishDoctor } from "./english-doctor.ts";
import { englishHelp } from "./english-help.ts";

const englishTexts = {
  lang: "en" as "en" | "ja",
  yes: "yes",
  no: "no",
  help: englishHelp,
  failures: {
    fix: "fix",
    tokenFix: "pass the token with --token-file, ACKTOR_API_TOKEN or ACKTOR_API_TOKEN_FILE",
    notActor: (url: string) => `the server at ${url} is not acktor, or is another version`,
    urlFix: "set the publisher's address with --url or ACKTOR_URL, for example http://127.0.0.1:8080",
    noAnswer: (url: string) => `${url} did not answer within 10 s`,
    noAnswerFix: "check the service's log and load",
    away: (url: string, why: string) => `${url} is unreachable (${why})`,
    awayFix: "start the service with `acktor start`, or set another address with --url or ACKTOR_URL",
    badUrl: (url: string) => `${url} is not an http or https address`,
    urlHasSecret: "the address contains a user or a password, which every user of this machine can read",
    twoTokens: "ACKTOR_API_TOKEN and ACKTOR_API_TOKEN_FILE are both set",
    emptyTokenFile: (file: string) => `the token file ${file} is empty`,
    badTokenFile: (file: string, code: string) => `the token file ${file} cannot be read (${code})`,
    tokenOnCommandLine:
      "warning: a token on the command line can be read by every user of this machine; use --token-file or ACKTOR_API_TOKEN",
    notWhole: (min: number, max: number) => `It must be a whole number from ${min} to ${max}.`,
    notDuration: "It must be a duration such as 250ms, 30s, 5m, 24h or 7d.",
    notScopes: (all: string) => `It must be a list of ${all}, separated by commas.`,
    notPositive: "It must be a number above 0.",
    oneKeyManyMessages: "several messages cannot share one idempotency key",
    oneKeyFix: "omit --idempotency-key or --count",
    payloadTooLarge: "the content is larger than 262,144 bytes",
    payloadFix: "send less content, or a link to it",
  },
  usage: {
    error: "error",
    fix: "--help shows the usage",
    noCommand: "a command is missing",
    didYouMean: (similar: string) => ` (did you mean ${similar}?)`,
    unknownOption: (option: string) => `unknown option '${option}'`,
    unknownCommand: (command: string) => `unknown command '${command}'`,
    missingArgument: (name: string) => `missing required argument '${name}'`,
    missingOption: (option: string) => `option '${option}' is required`,
    missingValue: (option: string) => `option '${option}' needs a value`,
    tooMany: (expected: number, got: number) => `too many arguments: expected ${expected}, got ${got}`,
    wrongValue: (name: string, value: string, why: string) => `'${name}' cannot be '${value}'. ${why}`,
    choices: (choices: string) => `It must be one of ${choices}.`,
    language: (given: string, known: string) => `--lang cannot be ${given}; it must be one of ${known}`,
  },
  status: {
    ...STATUS_WORDS.en,
    service: "Service",
    serviceState: "Service state",
    connectedAt: "Connected at",
    disconnectedAt: "Disconnected at",
    lastActivity: "Last activity",
  },
  send: {
    sending: "sending",
    waiting: "waiting for acks",
    acceptedOne: (id: string) => `accepted ${id}`,
    accepted: (count: number, seconds: string) => `accepted ${count} messages in ${seconds} s`,
    waited: (ends: Readonly<Record<"acknowledged" | "failed" | "expired" | "open", number>>, seconds: string) =>
      `acknowledged ${ends.acknowledged}, failed ${ends.failed}, expired ${ends.expired}, open ${ends.open} after ${seconds} s`,
    acceptedBefore: (count: number) => `${count} messages were accepted before`,
    stillOpen: (count: number) =>
      `timeout: ${count} messages are not acknowledged yet; the publisher continues to retry`,
    unsure: (count: number) => `the last ${count} messages may have been accepted`,
  },
  messages: {
    title: "Messages",
    one: "Message",
    none: "no messages",
    more: (before: string) => `more messages: --before ${before}`,
    id: "Message id",
    retries: "Retries",
    created: "Created",
    topic: "Topic",
    reason: "Reason",
    reasonAndPayload: "Reason | content",
    attempts: "Attempts",
    attempt: "Attempt",
    outcome: "Outcome",
    reasonCode: "Code",
    sentAt: "Sent at",
    detail: "Detail",
    acks: "Acks",
    receiver: "Receiver",
    acknowledgedAt: "Acknowledged at",
    level: "Level",
    late: "Late",
  },
  deadLetters: {
    title: "Dead letters",
    none: "no dead letters",
    incomplete: "only the newest of each state are counted",
    oldest: "Oldest",
    newest: "Newest",
    sayYes: "nothing was changed: the change needs a confirmation, and there is no terminal",
    sayYesFix: "check with --dry-run, then repeat with --yes",
    would: {
      replay: (count: number) => `${count} messages would be replayed`,
      discard: (count: number) => `${count} messages would be discarded`,
    },
    confirm: {
      replay: (count: number) => `Replay ${count} messages?`,
      discard: (count: number) => `Discard ${count} messages?`,
    },
    did: {
      replay: (count: number, refused: number) => `replayed ${count} messages${refusedText(refused)}`,
      discard: (count: number, refused: number) => `discarded ${count} messages${refusedText(refused)}`,
    },
    wouldRefuse: (count: number, why: string) => `${count} would be refused: ${why}`,
    didRefuse: (count: number, why: string) => `${count} refused: ${why}`,
    nothingChanged: "nothing was changed",
  },
  tokens: {
    title: "Tokens",
    none: "no tokens",
    made: (name: string, rights: string) => `created the token of ${name}: ${rights}`,
    once: "The token is shown only once. Keep it secret. The caller sends it as Authorization: Bearer <token>.",
    revoked: (name: string) => `revoked the token of ${name}`,
    name: "Name",
    state: "State",
    scopes: "Scopes",
    write: "Writes",
    read: "Reads",
    rate: "Requests/s",
    mostWaiting: "Max. waiting",
    expires: "Expires",
    created: "Created",
    noTopics: "no topic",
    isInForce: "valid",
    isRevoked: "revoked",
    isExpired: "expired",
  },
  control: { done: "done", refused: "refused:" },
  watch: {
    cannotWrite: (file: string, code: string) => `the recording ${file} cannot be written (${code})`,
    cannotWriteFix: "name a new file in a folder that you may write to",
    lost: "the event stream ended; reconnecting",
    gone: "has stopped",
    here: "is online",
    busUp: "connected",
    busDown: "not connected",
    notRecording: (file: string, line: number, field: string, why: string) =>
      `line ${line} of ${file} does not belong to a recording: ${field === "" ? "the line" : field} ${why}`,
    notRecordingFix: "name a file that `acktor watch --record` or the console has written",
    cannotRead: (file: string, code: string) => `the recording ${file} cannot be read (${code})`,
  },
  config: {
    setting: "Setting",
    origin: "From",
    from: { environment: "environment", file: "file", default: "default", unset: "not set" },
    verdict: (service: string, faults: number) =>
      faults === 0 ? `${service}: no faults` : `${service}: ${faults} fault(s)`,
    databaseFix: "set DATABASE_URL or DATABASE_URL_FILE as for the services",
  },
  migrate: {
    done: (schema: string, names: readonly string[], dryRun: boolean) => {
      if (names.length === 0) return `${schema}: up to date`;
      return `${schema}: ${dryRun ? "would apply" : "applied"} ${names.join(", ")}`;
    },
  },
  doctor: englishDoctor,
};

function refusedText(refused: number): string {
  return refused === 0 ? "" : `; ${refused} were refused`;
}

export type Texts = typeof englishTexts;

export const english: Texts = englishTexts;
