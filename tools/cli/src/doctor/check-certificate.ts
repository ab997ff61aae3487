/** The client certificate for the broker: how long it is valid. A broker often only closes the connection on an expired one. */
import { X509Certificate } from "node:crypto";
import type { Session } from "../session.ts";
import { type Check, failed, ok, warn } from "./check.ts";

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;

/** @param pem MQTT_CERT; null: none is configured, and there is no check @param now milliseconds since 1970 */
export function checkCertificate({ doctor: t }: Session["texts"], pem: string | null, now: number): Check | null {
  if (pem === null) return null;
  const { validFrom, validTo } = new X509Certificate(pem);
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  const days = Math.floor((to.getTime() - now) / DAY_MS);
  const day = to.toISOString().slice(0, 10);
  const data = { valid_to: to.toISOString(), days_left: days };
  if (to.getTime() <= now) {
    return failed("client certificate", t.certificateExpired(day), t.clientCertificateFix, data);
  }
  if (from.getTime() > now) {
    return failed("client certificate", t.certificateNotYet(from.toISOString().slice(0, 10)), t.clockFix, data);
  }
  const found = t.certificateFound(day);
  return days < SOON_DAYS
    ? warn("client certificate", found, t.clientCertificateFix, data)
    : ok("client certificate", found, data);
}
