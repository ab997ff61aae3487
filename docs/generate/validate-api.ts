/** Whether our documents are what they say: OpenAPI 3.1 of both services, AsyncAPI 3 of the topics. */
import { ACKER_DOCS } from "@acktor/acker/control/route-docs";
import { PUBLISHER_DOCS } from "@acktor/publisher/api-docs";
import { openApiDocument, type RouteDocs } from "@acktor/shared/runtime/openapi";
import { asyncApiErrors, openApiErrors } from "../../tools/workshop/validators.ts";
import { asyncApiDocument } from "./render-asyncapi.ts";

/** @returns what is wrong, one line each; empty when all are valid */
export async function apiFaults(): Promise<string[]> {
  return [
    ...(await openApiFaults("publisher", openApiOf("publisher", PUBLISHER_DOCS))),
    ...(await openApiFaults("acker", openApiOf("acker", ACKER_DOCS))),
    ...asyncApiFaults(asyncApiDocument()),
  ];
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
  return (await openApiErrors(document)).map((error) => `openapi of the ${name}: ${error}`);
}

export function asyncApiFaults(document: object): string[] {
  return asyncApiErrors(document).map((error) => `asyncapi: ${error}`);
}
