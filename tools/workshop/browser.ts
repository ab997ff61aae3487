/** The browser of the console's tests and of its pictures, and the checker of accessibility that runs in its pages. */
import axe from "axe-core";

export { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** To be evaluated in a page; defines `axe` there. */
export const AXE_SOURCE: string = axe.source;
