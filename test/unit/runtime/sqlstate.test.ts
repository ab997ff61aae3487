/** SQLSTATEs: each has a remedy, and only some can be one row's. SQLSTATE-1, SQLSTATE-2. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mayBeOneRow, remedyOf } from "@acktor/shared/runtime/sqlstate";

const CASES: readonly (readonly [code: string, remedy: RegExp, oneRow: boolean])[] = [
  ["22003", /limit of its type/, true],
  ["22008", /outside the supported range/, true],
  ["22021", /cannot be computed/, true],
  ["23514", /constraint or a trigger/, true],
  ["54000", /larger than PostgreSQL allows/, true],
  ["P0001", /trigger or a function/, true],
  ["XX000", /internal error/, true],
  ["XX001", /pg_amcheck/, true],
  ["AK999", /logs of PostgreSQL/, true],
  ["08006", /network/, false],
  ["0A000", /logs of PostgreSQL/, false],
  ["25006", /read-only/, false],
  ["26000", /pooler/, false],
  ["28P01", /password/, false],
  ["3F000", /ACKTOR_MIGRATE=on/, false],
  ["40001", /conflict/, false],
  ["42501", /grants\.sql/, false],
  ["42P01", /ACKTOR_MIGRATE=on/, false],
  ["53100", /disk/, false],
  ["53300", /max_connections/, false],
  ["55P03", /pg_locks/, false],
  ["57014", /statement_timeout/, false],
  ["58030", /operating system/, true],
  ["DEADLINE", /in time/, false],
  ["QUEUE_FULL", /wait for a connection/, false],
  ["ECONNREFUSED", /DATABASE_URL/, false],
  ["CONNECTION_CLOSED", /network/, false],
  ["EXCEPTION", /defect of acktor/, false],
  ["", /logs of PostgreSQL/, false],
];

for (const [code, remedy, oneRow] of CASES) {
  test(`${code || "no code"}: a remedy, and ${oneRow ? "perhaps one row" : "never a row"}`, () => {
    assert.match(remedyOf(code), remedy);
    assert.equal(mayBeOneRow({ code }), oneRow);
  });
}
