/** Why HTTP cannot listen, and the remedy. */
import type { PublisherSettings } from "@acktor/shared/runtime/settings";

export function listenFault(config: PublisherSettings, { code, message }: NodeJS.ErrnoException): string {
  const where = `${config.HTTP_HOST}:${config.HTTP_PORT}`;
  if (code === "EADDRINUSE")
    return `HTTP_PORT ${where} is taken. Set HTTP_PORT to a free port, or stop what listens there.`;
  if (code === "EACCES")
    return `HTTP_PORT ${where} may not be opened by this user. Set HTTP_PORT to a port above 1023.`;
  return `HTTP_HOST ${where} cannot be listened on (${code ?? message}).`;
}
