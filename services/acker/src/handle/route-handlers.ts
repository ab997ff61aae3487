/**
 * Several handlers behind one runner: each has its own bound and its own time, so that one that hangs holds up no other.
 *
 * Invariant: a topic that no filter matches is rejected for good: waiting will not bring a handler.
 */
import { filterMatches } from "@acktor/shared/protocol/topics";
import type { EffectOf, HandlerRoute } from "./handler.ts";
import { createHandlerRunner, type HandlerRunner } from "./run-handlers.ts";

interface Lane {
  readonly filter: string | null;
  readonly runner: HandlerRunner;
}

/**
 * The effect of a message whose handler only computes, or null: it takes the usual way, where its faults are told.
 * @returns null where no handler only computes
 */
export function effectOfRoutes(routes: readonly HandlerRoute[]): EffectOf | null {
  if (routes.every(({ effectOf }) => effectOf === null)) return null;
  return (message) => {
    const route = routes.find(({ filter }) => filter === null || filterMatches(filter, message.topic));
    try {
      return route?.effectOf?.(message) ?? null;
    } catch {
      return null;
    }
  };
}

/** @param now monotonic milliseconds */
export function createRoutedRunner(routes: readonly HandlerRoute[], now: () => number): HandlerRunner {
  const lanes: readonly Lane[] = routes.map((route) => ({
    filter: route.filter,
    runner: createHandlerRunner({ ...route, now }),
  }));
  const sum = (pick: (runner: HandlerRunner) => number): number =>
    lanes.reduce((total, { runner }) => total + pick(runner), 0);
  return {
    run(job) {
      const lane = lanes.find(({ filter }) => filter === null || filterMatches(filter, job.message.topic));
      if (lane !== undefined) lane.runner.run(job);
      else job.done({ kind: "rejected", reason: "no handler takes this topic", retryable: false });
    },
    running: () => sum((runner) => runner.running()),
    waiting: () => sum((runner) => runner.waiting()),
    stuck: () => sum((runner) => runner.stuck()),
    stop() {
      for (const { runner } of lanes) runner.stop();
    },
  };
}
