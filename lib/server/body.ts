/** Bodies of requests: read within bounds, and checked against a schema. */

import type { z } from "@hono/zod-openapi";
import { limitSilence, type SilenceLimit } from "../internal/silence-limit.js";
import { ApiError, badRequest, unsupported } from "./api-error.js";

const tooLarge = (limit: number) =>
  new ApiError(413, `the body is larger than ${limit} bytes`, {
    type: "invalid_request_error",
    code: "body_too_large",
  });

const tooSlow = () =>
  new ApiError(408, "the body did not come in time", { type: "invalid_request_error", code: "body_timeout" });

async function readBytes(request: Request, limit: number, ms: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge(limit);
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let size = 0;
  let patience: SilenceLimit | undefined;
  const late = new Promise<never>((_, reject) => {
    patience = limitSilence(ms, () => reject(tooSlow()));
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      size += value.byteLength;
      if (size > limit) throw tooLarge(limit);
      pieces.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error;
  } finally {
    patience?.cancel();
  }
  return Buffer.concat(pieces);
}

/** Throws a 400, a 408 or a 413. */
export async function readJson(request: Request, limit: number, ms: number): Promise<unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readBytes(request, limit, ms));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw badRequest("the body cannot be read as text in UTF-8", undefined, "invalid_body");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("the body is not valid JSON", undefined, "invalid_json");
  }
}

/** JSON nests deeper than any request means to; what walks through it must not run out of stack. */
const deepest = 512;

function depthOf(value: unknown): number {
  let depth = 0;
  let level: unknown[] = [value];
  while (level.length > 0 && depth <= deepest) {
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
    depth++;
  }
  return depth;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The deepest issue of a value that fits none of several forms is the one that was meant. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const nested = issue.errors
    .flat()
    .map((one) => innermost({ ...one, path: [...issue.path, ...one.path] } as z.core.$ZodIssue));
  const depth = nested.reduce((most, { path }) => Math.max(most, path.length), 0);
  const deepestOnes = nested.filter(({ path }) => path.length === depth);
  const [only] = deepestOnes;
  return only && depth > issue.path.length && deepestOnes.length >= 1 ? only : issue;
}

/**
 * The body as the schema has it. A null at the top stands for a parameter that is not given, as OpenAI has it. Throws a 400
 * that names the parameter.
 *
 * @param refused parameters that are known and not supported
 */
export function parseBody<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
  refused: ReadonlySet<string> = new Set(),
): z.output<Schema> {
  if (!isObject(body)) throw badRequest("the body has to be a JSON object", undefined, "invalid_body");
  if (depthOf(body) > deepest) throw badRequest(`the body nests deeper than ${deepest}`, undefined, "invalid_body");
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  for (const name of Object.keys(given)) if (refused.has(name)) throw unsupported(name);
  // A fault of each of a million elements is a million faults; the first is what is told.
  const parsed = schema.safeParse(given, { abortEarly: true } as z.core.ParseContext<z.core.$ZodIssue>);
  if (parsed.success) return parsed.data;
  const issue = innermost(parsed.error.issues[0] as z.core.$ZodIssue);
  if (issue.code === "unrecognized_keys") {
    const param = [...issue.path, issue.keys[0]].join(".");
    throw badRequest(`unknown parameter: '${param}'`, param, "unknown_parameter");
  }
  const param = issue.path.join(".");
  throw badRequest(`invalid value for '${param}': ${issue.message}`, param);
}
