/** An operator's commands: `pause|resume|drain`, `link …`, `breaker …`. The service checks whether its state allows them. */
import type { Api } from "../api/api.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import { operator } from "./change-dead-letters.ts";

export interface Target {
  readonly service?: string;
  readonly instance?: string;
}

export async function control(
  session: Session,
  api: Api,
  route: string,
  { service, instance }: Target,
): Promise<ExitCode> {
  const query = new URLSearchParams();
  if (service !== undefined) query.set("service", service);
  if (instance !== undefined) query.set("instance", instance);
  const path = query.size === 0 ? route : `${route}?${query}`;
  const answer = await api.post<Answer>(path, { who: operator(session) });
  if (!answer.ok) return session.fail(answer.failure);
  const replies = answer.value.replies ?? [];
  const exit = replies.some((reply) => !reply.ok) ? EXIT.failed : EXIT.done;
  return session.answer(answer.value, (shown) => describe(session, shown), exit);
}

/** The states of one instance, or the replies of all. */
interface Answer {
  readonly state?: string;
  readonly breaker?: string;
  readonly replies?: readonly Reply[];
}

interface Reply {
  readonly service: string;
  readonly instance: string;
  readonly ok: boolean;
  readonly reason?: string;
  readonly result?: unknown;
}

function describe({ texts }: Session, { replies, ...states }: Answer): string {
  if (replies === undefined) return [texts.control.done, ...named(states)].join(" ");
  return replies
    .map(({ service, instance, ok, reason, result }) => {
      const what = ok ? [texts.control.done, ...named(result)] : [texts.control.refused, reason ?? ""];
      return `${service} ${instance}: ${what.join(" ")}`;
    })
    .join("\n");
}

function named(result: unknown): string[] {
  if (typeof result !== "object" || result === null) return [];
  return Object.entries(result).map(([name, value]) => `${name}=${String(value)}`);
}
