/** The present page: the address's fragment as path and parameters. Filters and selections are part of the address. */
import { signal } from "@preact/signals";

export interface Route {
  /** `/messages/…`, without a trailing slash. */
  readonly path: string;
  readonly params: URLSearchParams;
}

export const route = signal<Route>(read());

export function startRouter(): void {
  addEventListener("hashchange", () => {
    route.value = read();
  });
  route.value = read();
}

function read(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#/, "").split("?");
  return {
    path: path === "" || path === "/" ? "/overview" : path.replace(/\/$/, ""),
    params: new URLSearchParams(query),
  };
}

/** An address within the console; empty parameters are omitted. */
export function linkTo(path: string, params: Readonly<Record<string, string | null | undefined>> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return `#${path}${text === "" ? "" : `?${text}`}`;
}

/** Changes parameters of the present page without an entry in the browser's history. */
export function setParams(changes: Readonly<Record<string, string | null>>): void {
  const { path, params } = route.value;
  const href = linkTo(path, { ...Object.fromEntries(params), ...changes });
  if (href === location.hash) return;
  history.replaceState(null, "", href);
  route.value = read();
}

export function go(href: string): void {
  location.hash = href;
}
