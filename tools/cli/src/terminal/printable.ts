/** Foreign text in a cell or a line. The door (terminal.ts) escapes everything too; only this keeps a text on one line. */
export { printable } from "@acktor/shared/runtime/printable";
