/** Foreign text in a cell or a line of ours. The door (terminal.ts) escapes what is forgotten; only this keeps it on one line. */
export { printable } from "@acktor/shared/runtime/printable";
