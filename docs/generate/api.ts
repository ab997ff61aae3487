/** `npm run api [-- --check]`: writes the AsyncAPI document, and validates it and the OpenAPI documents of the services. */
import { asyncApiReference } from "./render-asyncapi.ts";
import { apiFaults } from "./validate-api.ts";
import { writeOrCheck } from "./write-or-check.ts";

writeOrCheck([asyncApiReference()], process.argv.slice(2), "npm run api");
for (const fault of await apiFaults()) {
  process.stderr.write(`${fault}\n`);
  process.exitCode = 1;
}
