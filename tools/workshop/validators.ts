/** Validators of documents that describe our interfaces. Each returns what is wrong, one line each. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv } from "ajv";
import formats from "ajv-formats";

const SCHEMA = "@asyncapi/specs/schemas/3.0.0-without-$id.json";
const MOST_TEXT = 2_000;

export async function openApiErrors(document: object): Promise<string[]> {
  const { valid, errors } = await new Validator().validate(Object.fromEntries(Object.entries(document)));
  return valid ? [] : [JSON.stringify(errors).slice(0, MOST_TEXT)];
}

/** By the schema of AsyncAPI 3.0.0, and by what the schema cannot say: every reference leads somewhere. */
export function asyncApiErrors(document: object): string[] {
  const ajv = new Ajv({ strict: false, logger: false });
  formats.default(ajv);
  const file = createRequire(import.meta.url).resolve(SCHEMA);
  const validate = ajv.compile(JSON.parse(readFileSync(file, "utf8")) as object);
  const faults = validate(document) ? [] : [ajv.errorsText(validate.errors).slice(0, MOST_TEXT)];
  return [...faults, ...danglingReferences(document, document)];
}

function danglingReferences(root: object, part: unknown): string[] {
  if (typeof part !== "object" || part === null) return [];
  return Object.entries(part).flatMap(([key, value]) => {
    if (key !== "$ref" || typeof value !== "string") return danglingReferences(root, value);
    return leadsSomewhere(root, value) ? [] : [`${value} leads nowhere`];
  });
}

/** A JSON pointer into the same document. */
function leadsSomewhere(root: object, reference: string): boolean {
  if (!reference.startsWith("#/")) return false;
  let place: unknown = root;
  for (const step of reference.slice(2).split("/")) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof place !== "object" || place === null || !Object.hasOwn(place, name)) return false;
    place = (place as Record<string, unknown>)[name];
  }
  return true;
}
