/**
 * Several handlers behind one runner. Each has its own concurrency and its own time, so that one that hangs holds up no
 * other.
 *
 * Invariants:
 *  ROUTES-1. A message whose topic matches no filter is rejected, not retryable: waiting does not create a handler.
 */
import { TopicMap } from "@acktor/shared/protocol/topic-map";
import { filterMatches } from "@acktor/shared/protocol/topics";
import type { Clock } from "@acktor/shared/runtime/clock";
import { type HandlerJob, HandlerRunner, type Runner } from "./handler-runner.ts";
import { routesOf } from "./handlers/choose-handler.ts";
import type { Handler, HandlerRoute } from "./handlers/handler.ts";

interface Route {
  /** Null: all topics. */
  readonly filters: readonly string[] | null;
  readonly runner: Runner;
}

export class RoutedRunner implements Runner {
  readonly #routes: readonly Route[];

  /** Null: no code runs, the row is the effect. */
  static of(handler: Handler, clock: Pick<Clock, "now">, map: TopicMap): RoutedRunner | null {
    return handler.mode === "row" ? null : new RoutedRunner(routesOf(handler), clock, map);
  }

  /** @param map messages have their topics as sent; a route may name them as they arrive */
  constructor(routes: readonly HandlerRoute[], clock: Pick<Clock, "now">, map = new TopicMap()) {
    this.#routes = routes.map((route) => ({
      filters: route.filter === null ? null : [route.filter, ...map.filtersAsSent(route.filter)],
      runner: new HandlerRunner({ ...route, clock }),
    }));
  }

  run(job: HandlerJob): void {
    const { topic } = job.message;
    for (const { filters, runner } of this.#routes) {
      if (filters === null || filters.some((filter) => filterMatches(filter, topic))) {
        runner.run(job);
        return;
      }
    }
    // ROUTES-1
    job.done({ kind: "rejected", reason: "no handler takes this topic", retryable: false });
  }

  running(): number {
    return this.#routes.reduce((total, { runner }) => total + runner.running(), 0);
  }

  waiting(): number {
    return this.#routes.reduce((total, { runner }) => total + runner.waiting(), 0);
  }

  stuck(): number {
    return this.#routes.reduce((total, { runner }) => total + runner.stuck(), 0);
  }

  stop(): void {
    for (const { runner } of this.#routes) runner.stop();
  }
}
