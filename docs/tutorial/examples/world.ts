/** What every example runs in, and how it tells what it saw. `run.ts` makes one; in production these are your servers. */
export interface World {
  /** PostgreSQL: the application's own, with the outbox in it. */
  readonly databaseUrl: string;
  readonly mqttUrl: string;
  /** A running publisher. */
  readonly publisherUrl: string;
  readonly say: (line: string) => void;
}
