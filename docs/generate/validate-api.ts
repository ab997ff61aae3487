/** Whether our documents are what they say: OpenAPI 3.1 of both services, AsyncAPI 3 of the topics. */
import { ACKER_DOCS } from "@acktor/acker/control/route-docs";
import { PUBLISHER_DOCS } from "@acktor/publisher/api-docs";
import { openApiDocument, type RouteDocs } from "@acktor/shared/runtime/openapi";
import { Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";
import { asyncApiDocument } from "./render-asyncapi.ts";

/** @returns what is wrong, one line each; empty when all are valid */
export async function apiFaults(): Promise<string[]> {
  const faults = [
    ...(await openApiFaults("publisher", openApiOf("publisher", PUBLISHER_DOCS))),
    ...(await openApiFaults("acker", openApiOf("acker", ACKER_DOCS))),
  ];
  for (const { message, path, severity } of await new Parser().validate(JSON.stringify(asyncApiDocument()))) {
    // 0 is an error, 1 a warning; what is below is advice.
    if (severity <= 1) faults.push(`asyncapi: ${path.join(".")}: ${message}`);
  }
  return faults;
}

/** The document that a service would give if it registered just what is described. */
export function openApiOf(service: string, docs: RouteDocs): object {
  const routes = Object.keys(docs).map((key) => {
    const [method = "", path = ""] = key.split(" ");
    return { method, path };
  });
  return openApiDocument({ title: `acktor ${service}`, version: "1.0.0", docs, routes });
}

export async function openApiFaults(name: string, document: object): Promise<string[]> {
  const result = await new Validator().validate(Object.fromEntries(Object.entries(document)));
  if (result.valid) return [];
  return [`openapi of the ${name}: ${JSON.stringify(result.errors).slice(0, 2_000)}`];
}
