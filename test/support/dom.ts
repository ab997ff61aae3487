/** A document for parts that need a browser: enough to render into and to parse with. */
import type { TestContext } from "node:test";
import { Window } from "happy-dom";
import { type ComponentChild, render } from "preact";

const window = new Window();
Object.assign(globalThis, { window, document: window.document, Element: window.Element });

export interface Page {
  /** Every element that the selector finds. */
  all(selector: string): Found[];
  /** Renders again with other properties. */
  show(node: ComponentChild): void;
}

/** The members of an element that tests use. */
export interface Found {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  click(): void;
}

/** Renders into its own page, which is emptied after the test. */
export function show(t: TestContext, node: ComponentChild): Page {
  const holder = document.createElement("div");
  document.body.append(holder);
  t.after(() => {
    render(null, holder);
    holder.remove();
  });
  render(node, holder);
  return {
    all: (selector) => [...holder.querySelectorAll(selector)].map(found),
    show: (next) => render(next, holder),
  };
}

function found(element: Element): Found {
  return {
    textContent: element.textContent ?? "",
    getAttribute: (name) => element.getAttribute(name),
    click: () => void element.dispatchEvent(new window.MouseEvent("click", { bubbles: true }) as unknown as Event),
  };
}

/** A document of XML. Throws where it is not well-formed. */
export function parseXml(text: string): Pick<Page, "all"> {
  const parsed = new window.DOMParser().parseFromString(text, "application/xml") as unknown as Document;
  const fault = parsed.querySelector("parsererror");
  if (fault !== null) throw new Error(fault.textContent ?? "not well-formed");
  return { all: (selector) => [...parsed.querySelectorAll(selector)].map(found) };
}
