/** English. Its shape is the type of every language, so a text that is missing in one is a type error. */
import { englishDoctor } from "./english-doctor.ts";
import { englishHelp } from "./english-help.ts";

const englishTexts = {
  lang: "en" as "en" | "ja",
  yes: "yes",
  no: "no",
  help: englishHelp,
  failures: {
    fix: "fix",
    tokenFix: "give the token by --token-file, ACKTOR_API_TOKEN or ACKTOR_API_TOKEN_FILE",
    notActor: (url: string) => `what answers at ${url} is not acktor, or another version of it`,
    urlFix: "name the publisher by --url or ACKTOR_URL, as http://127.0.0.1:8080",
    noAnswer: (url: string) => `${url} did not answer in 10 s`,
    noAnswerFix: "look at its log and its load",
    away: (url: string, why: string) => `nothing answers at ${url} (${why})`,
    awayFix: "start it with `acktor start`, or name another address by --url or ACKTOR_URL",
    badUrl: (url: string) => `${url} is not an http or https address`,
    urlHasSecret: "the address holds a user or a password, which every user of this machine can read",
    twoTokens: "ACKTOR_API_TOKEN and ACKTOR_API_TOKEN_FILE are both set",
    emptyTokenFile: (file: string) => `the token file ${file} is empty`,
    badTokenFile: (file: string, code: string) => `the token file ${file} cannot be read (${code})`,
    tokenOnCommandLine:
      "warning: a token on the command line can be read by every user of this machine; use --token-file or ACKTOR_API_TOKEN",
    notWhole: (min: number, max: number) => `It is not a whole number from ${min} to ${max}.`,
    notDuration: "It is not a duration such as 250ms, 30s, 5m, 24h or 7d.",
    notPositive: "It is not a number above 0.",
    oneKeyManyMessages: "one idempotency key cannot stand for several messages",
    oneKeyFix: "leave --idempotency-key or --count out",
    payloadTooLarge: "the content is larger than 262,144 bytes",
    payloadFix: "send a smaller content, or where it can be fetched",
  },
  status: {
    item: "Item",
    value: "Value",
    service: "Service",
    serviceState: "Service state",
    state: "State",
    breaker: "Circuit breaker",
    broker: "Broker",
    clientId: "Client id",
    uptime: "Uptime",
    connectedAt: "Connected at",
    disconnectedAt: "Disconnected at",
    lastActivity: "Last activity",
    retries: "Retries",
    buffer: "Buffer size",
    lastError: "Last error",
    connection: "Connection",
    statistics: "Statistics",
    attempts: "Connection attempts",
    successes: "Successful connections",
    disconnections: "Disconnections",
    sent: "Messages sent",
    received: "Messages received",
    errors: "Errors",
    errorType: "Error type",
    count: "Count",
    delivery: "Message delivery",
    meanRetries: "Mean retries",
    total: "Total messages",
    successRate: "Success rate",
    pending: "Waiting",
  },
  send: {
    sending: "sending",
    waiting: "waiting for acks",
    acceptedOne: (id: string) => `accepted ${id}`,
    accepted: (count: number, seconds: string) => `accepted ${count} messages in ${seconds} s`,
    waited: (ends: Readonly<Record<"acknowledged" | "failed" | "expired" | "open", number>>, seconds: string) =>
      `acknowledged ${ends.acknowledged}, failed ${ends.failed}, expired ${ends.expired}, open ${ends.open} after ${seconds} s`,
    acceptedBefore: (count: number) => `${count} messages had been accepted before`,
    stillOpen: (count: number) => `the time is over; ${count} messages are not acknowledged yet, and go on being sent`,
    unsure: (count: number) => `the last ${count} may have been accepted all the same`,
  },
  messages: {
    title: "Messages",
    one: "Message",
    none: "no messages",
    more: (before: string) => `there are more: --before ${before}`,
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
    acks: "Acknowledgments",
    receiver: "Receiver",
    acknowledgedAt: "Acknowledged at",
    level: "Level",
    late: "Late",
  },
  deadLetters: {
    title: "Dead letters",
    none: "no dead letters",
    incomplete: "only the newest of each state were counted",
    oldest: "Oldest",
    newest: "Newest",
    sayYes: "nothing was changed: there is no terminal to ask at",
    sayYesFix: "look with --dry-run, then say --yes",
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
    nothingChanged: "nothing was changed",
  },
  control: { done: "done", refused: "refused:" },
  watch: {
    cannotWrite: (file: string, code: string) => `the recording ${file} cannot be written (${code})`,
    cannotWriteFix: "name a file that does not exist yet, in a folder of yours",
    lost: "the stream of events has ended; asking for it again",
    gone: "has gone",
    here: "is here",
    busUp: "connected",
    busDown: "not connected",
    notRecording: (file: string, line: number) => `line ${line} of ${file} is no line of a recording`,
    notRecordingFix: "name a file that `acktor watch --record` or the console has written",
    cannotRead: (file: string, code: string) => `the recording ${file} cannot be read (${code})`,
  },
  config: {
    setting: "Setting",
    origin: "From",
    from: { environment: "environment", file: "file", default: "default", unset: "not set" },
    verdict: (service: string, faults: number) =>
      faults === 0 ? `${service}: no faults` : `${service}: ${faults} fault(s)`,
    databaseFix: "set DATABASE_URL or DATABASE_URL_FILE, as the services have it",
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
