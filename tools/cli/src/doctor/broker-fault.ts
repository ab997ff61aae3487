/** Why there is no connection to the broker, and the remedy that fits the cause. */
import net from "node:net";
import type { LinkInfo } from "@acktor/shared/link/link";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { connected, publisherLink } from "./broker-link.ts";
import { type Check, failed, warn } from "./check.ts";

type DoctorTexts = Session["texts"]["doctor"];
type Failure = NonNullable<LinkInfo["lastError"]>;

/** A slow line or a busy broker gets this many times the configured time, up to `MOST_PATIENCE_MS`. */
const PATIENCE = 4;
const MOST_PATIENCE_MS = 20_000;
const PROBE_MS = 1_500;
/** TLS alerts about the certificate that this client showed. */
const CLIENT_CERTIFICATE =
  /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA)|client certificate/i;
const SERVER_CERTIFICATE = /^(CERT_|ERR_TLS_CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_MISMATCH)/;
const BAD_CLIENT_ID: ReadonlySet<unknown> = new Set([2, 133]);
const OTHER_SERVER: ReadonlySet<unknown> = new Set([156, 157]);

/** The check of a broker that did not answer in time or refused; asks it again where more patience may help. */
export async function judgeFault(session: Session, config: PublisherSettings, info: LinkInfo): Promise<Check> {
  const { broker, state, lastError } = info;
  const t = session.texts.doctor;
  const reason = lastError === null ? state : `${lastError.type}: ${printable(lastError.reason, 200)}`;
  const found = `${printable(broker)}: ${reason}`;
  const data = { type: lastError?.type ?? null, code: lastError?.code ?? null };
  if (lastError !== null && lastError.type !== "timeout") return failed("broker", found, fixOf(t, lastError), data);
  const slow = await waitLonger(session, config);
  if (slow !== null) {
    const { seconds, setting } = slow;
    return warn("broker", t.brokerSlowConnect(printable(broker), seconds), t.brokerSlowConnectFix(setting), data);
  }
  const heard = await listenTo(broker, session.signal);
  if (heard === null) return failed("broker", found, t.brokerFixes.network, data);
  const banner = heard === "" ? "" : `; ${t.brokerSays(printable(heard, 60))}`;
  return failed("broker", `${found}${banner}`, heard === "" ? t.brokerMuteFix : t.brokerFixes.timeout, data);
}

function fixOf(t: DoctorTexts, { type, code, reason }: Failure): string {
  if (CLIENT_CERTIFICATE.test(`${code} ${reason}`)) return t.clientCertificateFix;
  if (typeof code === "string" && SERVER_CERTIFICATE.test(code)) return t.serverCertificateFix;
  if (BAD_CLIENT_ID.has(code)) return t.clientIdFix;
  if (OTHER_SERVER.has(code)) return t.otherServerFix;
  if (reason.startsWith("subscription")) return t.subscriptionFix;
  return t.brokerFixes[type];
}

/** A second attempt with more time. @returns null when it does not connect either */
async function waitLonger(
  session: Session,
  config: PublisherSettings,
): Promise<{ readonly seconds: string; readonly setting: string } | null> {
  const ms = Math.min(MOST_PATIENCE_MS, config.ACKTOR_CONNECT_TIMEOUT * PATIENCE);
  const link = publisherLink({ ...config, ACKTOR_CONNECT_TIMEOUT: ms });
  const stop = (): void => void link.stop();
  session.signal.addEventListener("abort", stop, { once: true });
  const begin = session.clock.now();
  try {
    const { state } = await connected(link, ms);
    const took = (session.clock.now() - begin) / 1_000;
    return state === "CONNECTED" ? { seconds: took.toFixed(1), setting: `${Math.ceil(took * 2)}s` } : null;
  } finally {
    session.signal.removeEventListener("abort", stop);
    await link.stop();
  }
}

/**
 * The first bytes of a server that speaks first: an MQTT broker waits for CONNECT.
 * @returns its first bytes, "" for silence, null when nothing accepts the connection
 */
function listenTo(broker: string, signal: AbortSignal): Promise<string | null> {
  const url = URL.canParse(broker) ? new URL(broker) : null;
  const port = Number(url?.port);
  if (url === null || !(port > 0)) return Promise.resolve("");
  return new Promise((resolve) => {
    const socket = net.connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port });
    let isOpen = false;
    const end = (heard: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(heard);
    };
    const timer = setTimeout(() => end(isOpen ? "" : null), PROBE_MS);
    signal.addEventListener("abort", () => end(""), { once: true });
    socket.once("connect", () => {
      isOpen = true;
    });
    socket.once("data", (bytes) => end(bytes.toString("latin1").split("\n")[0] ?? ""));
    socket.once("error", () => end(isOpen ? "" : null));
  });
}
