/**
 * Files and functions that are too long to read, and parts that are wired by lambdas.
 *
 *   node --import tsx --conditions=source test/check/sizes.ts [path prefix …]
 *
 * A file has at most 350 lines, a function at most 50, both with their comments. Each of publisher, acker and shared has at
 * most 3 function-typed fields per 1,000 lines: a part that needs another takes it behind an interface named by its verbs.
 */
import type { ArrowFunctionExpression, TSType } from "../../tools/workshop/parser.ts";
import { type Node, nodesOf } from "./syntax.ts";
import { type Finding, lineAt, listProduct, parse, read, runAsCommand } from "./tree.ts";

export const FILE_LINES = 350;
export const FUNCTION_LINES = 50;
export const FIELDS_PER_1000 = 3;

/** The files at the root of a service: they put it together. */
const ASSEMBLY = /^services\/(publisher|acker)\/src\/(?!metrics)[\w-]+\.ts$/;

export const PACKAGES = ["services/publisher/src", "services/acker/src", "shared/src"] as const;

export function findSizes(): Finding[] {
  return [...findLongFiles(), ...findLongFunctions()];
}

export function findLongFiles(): Finding[] {
  return listProduct()
    .map((path) => ({ path, lines: linesOf(path) }))
    .filter(({ lines }) => lines > FILE_LINES)
    .map(({ path, lines }) => ({ path, line: 1, text: `a file of ${lines} lines` }));
}

export function findLongFunctions(): Finding[] {
  return listProduct().flatMap((path) => {
    const text = read(path);
    const findings: Finding[] = [];
    for (const { node, parent } of nodesOf(parse(path).program)) {
      if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) continue;
      const line = lineAt(text, node.start);
      const lines = lineAt(text, node.end) - line + 1;
      if (lines > FUNCTION_LINES)
        findings.push({ path, line, text: `${nameOf(node, parent)}: a function of ${lines} lines` });
    }
    return findings;
  });
}

/** Function-typed fields of a package, one finding each; a field whose type is the name of a function's type counts. */
export function findFunctionFields(folder: string): Finding[] {
  const files = filesOf(folder);
  const aliases = new Set(files.flatMap(functionTypesIn));
  return files.flatMap((path) => {
    const findings: Finding[] = [];
    for (const { node } of nodesOf(parse(path).program)) {
      if (node.type !== "TSPropertySignature" && node.type !== "PropertyDefinition") continue;
      const type = node.typeAnnotation?.typeAnnotation;
      if (type === undefined || !isFunction(type, aliases)) continue;
      findings.push({ path, line: lineAt(read(path), node.start), text: `a field that is a function: ${keyOf(node)}` });
    }
    return findings;
  });
}

/** All function-typed fields of each package that has too many. */
export function findFieldsOverTarget(): Finding[] {
  return PACKAGES.flatMap((folder) => {
    const fields = findFunctionFields(folder);
    return fields.length * 1000 > FIELDS_PER_1000 * linesIn(folder) ? fields : [];
  });
}

/**
 * Lambdas that bind parts in a service's assembly: a property that only names a variable (`link: () => link`) or forwards its
 * own parameters (`insert: (message) => outbox.insert(message)`). Pass the part itself.
 */
export function findWiring(): Finding[] {
  return listProduct()
    .filter((path) => ASSEMBLY.test(path))
    .flatMap((path) => {
      const text = read(path);
      const findings: Finding[] = [];
      for (const { node, parent } of nodesOf(parse(path).program)) {
        if (node.type !== "ArrowFunctionExpression" || parent?.type !== "Property" || !isForwarding(node)) continue;
        const lambda = text.slice(parent.start, parent.end).replace(/\s+/g, " ");
        findings.push({ path, line: lineAt(text, node.start), text: `a lambda that binds a part: ${lambda}` });
      }
      return findings;
    });
}

function isForwarding({ params, body }: ArrowFunctionExpression): boolean {
  if (body.type === "Identifier") return params.length === 0 && body.name !== "undefined";
  if (body.type !== "CallExpression" || body.callee.type !== "MemberExpression" || !isPath(body.callee.object))
    return false;
  const names = params.map((param) => (param.type === "Identifier" ? param.name : "?"));
  const passed = body.arguments.map((argument) => (argument.type === "Identifier" ? argument.name : "!"));
  return names.join() === passed.join();
}

/** A variable, `this`, or a chain of properties of one. */
function isPath(node: Node): boolean {
  return (
    node.type === "Identifier" ||
    node.type === "ThisExpression" ||
    (node.type === "MemberExpression" && isPath(node.object))
  );
}

/** Lines of a package, without the console. */
export function linesIn(folder: string): number {
  return filesOf(folder).reduce((sum, path) => sum + linesOf(path), 0);
}

function filesOf(folder: string): string[] {
  return listProduct().filter((path) => path.startsWith(`${folder}/`) && path.endsWith(".ts"));
}

function linesOf(path: string): number {
  return read(path).split("\n").length - 1;
}

function functionTypesIn(path: string): string[] {
  const names: string[] = [];
  for (const { node } of nodesOf(parse(path).program)) {
    if (node.type === "TSTypeAliasDeclaration" && node.typeAnnotation.type === "TSFunctionType")
      names.push(node.id.name);
  }
  return names;
}

function isFunction(type: TSType, aliases: ReadonlySet<string>): boolean {
  if (type.type === "TSFunctionType") return true;
  if (type.type === "TSParenthesizedType") return isFunction(type.typeAnnotation, aliases);
  if (type.type === "TSUnionType") return type.types.some((one) => isFunction(one, aliases));
  return type.type === "TSTypeReference" && type.typeName.type === "Identifier" && aliases.has(type.typeName.name);
}

function nameOf(node: Node, parent: Node | null): string {
  if ("id" in node && node.id !== null && typeof node.id === "object" && "name" in node.id) return String(node.id.name);
  if (parent !== null && "key" in parent) return keyOf(parent);
  if (parent?.type === "VariableDeclarator" && parent.id.type === "Identifier") return parent.id.name;
  return "a lambda";
}

function keyOf(node: Node): string {
  return "key" in node && typeof node.key === "object" && node.key !== null && "name" in node.key
    ? String(node.key.name)
    : "?";
}

runAsCommand(import.meta.url, () => [...findSizes(), ...findFieldsOverTarget(), ...findWiring()]);
