/** The parser of our own checks (test/check). */
export { type ArrowFunctionExpression, type Node, type ParseResult, parseSync, type TSType } from "oxc-parser";
