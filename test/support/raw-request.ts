/** A request with any headers, also those that `fetch` does not allow. */
import http from "node:http";

export interface RawAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The code in acktor's error body. */
  readonly code: string | null;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** @param url of the service; the Host header defaults to the url's host */
export function rawRequest(
  url: string,
  route: string,
  { method = "GET", headers = {}, body }: RawRequest = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const options = { hostname: hostname.replace(/^\[|\]$/g, ""), port, path: route, method, headers, agent: false };
    const request = http.request(options, (response) => {
      response.setEncoding("utf8");
      let text = "";
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, code: codeOf(text) });
      });
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

function codeOf(text: string): string | null {
  try {
    return (JSON.parse(text) as { error?: { code?: string } }).error?.code ?? null;
  } catch {
    return null;
  }
}
