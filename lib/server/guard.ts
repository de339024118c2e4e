/** Who may ask: the name that the request was sent to, the page that sent it, and the key that it has. */

import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "./api-error.js";
import type { AuthOptions } from "./options.js";

/** Who asks. */
export interface Caller {
  /** The name of the key; undefined where no keys are needed. */
  readonly name: string | undefined;
  /** For whom what is read is kept apart. */
  readonly cacheKey: string | undefined;
}

const loopbackNames = ["localhost", "127.0.0.1", "[::1]", "::1"];

const digest = (key: string) => createHash("sha256").update(key).digest();

/** Without the port. */
const hostName = (host: string) => host.replace(/:\d+$/, "").toLowerCase();

const forbidden = (message: string, code: string) => new ApiError(403, message, { type: "permission_error", code });

const corsHeaders = (origin: string): Record<string, string> => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": "x-request-id, retry-after",
  vary: "origin, access-control-request-headers",
});

export class Guard {
  readonly #keys: readonly { readonly name: string; readonly digest: Buffer; readonly cacheKey: string }[];
  readonly #hosts: ReadonlySet<string> | "any";
  readonly #origins: ReadonlySet<string>;

  constructor({ keys = [], hosts, origins = [] }: AuthOptions) {
    this.#keys = keys.map((entry, i) => {
      const { key, name = `key-${i + 1}` } = typeof entry === "string" ? { key: entry } : entry;
      const hash = digest(key);
      return { name, digest: hash, cacheKey: `server-key-${hash.toString("hex").slice(0, 32)}` };
    });
    const known = hosts ?? (this.#keys.length > 0 ? "any" : []);
    // The names of this machine always are: nobody else can have them resolved to it.
    this.#hosts = known === "any" ? known : new Set([...loopbackNames, ...known.map((name) => name.toLowerCase())]);
    this.#origins = new Set(origins);
  }

  /** Refuses requests that another site's page had a browser send. Gives the headers of the answer. */
  checkSource(request: Request): Record<string, string> {
    const url = new URL(request.url);
    const host = request.headers.get("host") ?? url.host;
    const isHttp = url.protocol === "http:" || url.protocol === "https:";
    if (isHttp && this.#hosts !== "any" && !this.#hosts.has(hostName(host)))
      throw forbidden("the Host of the request is none of this server's names", "host_not_allowed");
    const origin = request.headers.get("origin");
    if (origin !== null && this.#origins.has(origin)) return corsHeaders(origin);
    // A page may speak to where it came from.
    const isOwn = origin !== null && URL.canParse(origin) && new URL(origin).host === host;
    if (origin !== null && !isOwn) throw forbidden("pages of this origin may not ask", "origin_not_allowed");
    // What a browser sends without an origin: images, scripts. A link that is followed is no harm.
    const isForeign = origin === null && request.headers.get("sec-fetch-site") === "cross-site";
    if (isForeign && request.headers.get("sec-fetch-mode") !== "navigate")
      throw forbidden("pages of other sites may not ask", "origin_not_allowed");
    return {};
  }

  /** The answer to a browser that asks whether it may; only origins that may come this far. */
  preflight(request: Request, headers: Record<string, string>): Response {
    const asked = request.headers.get("access-control-request-headers");
    return new Response(null, {
      status: 204,
      headers: {
        ...headers,
        "access-control-allow-methods": "GET, POST, DELETE",
        // Clients have headers of their own, and the origin is one that may ask.
        "access-control-allow-headers": asked ?? "authorization, content-type, x-api-key, x-request-id",
        "access-control-max-age": "600",
      },
    });
  }

  /** Throws a 401. */
  authenticate(request: Request): Caller {
    if (this.#keys.length === 0) return { name: undefined, cacheKey: undefined };
    const [, bearer] = /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    const given = digest(bearer ?? request.headers.get("x-api-key") ?? "");
    // All are compared, so that the time does not tell which was near.
    const known = this.#keys.filter((key) => timingSafeEqual(key.digest, given));
    const [caller] = known;
    if (caller) return { name: caller.name, cacheKey: caller.cacheKey };
    throw new ApiError(401, "a key is needed: Authorization: Bearer KEY", {
      type: "authentication_error",
      code: "invalid_api_key",
    });
  }
}
