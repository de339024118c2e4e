/** Checks what callers hand over: the schemas that the public rooms have in common. Every refusal names the parameter. */

import { fileURLToPath } from "node:url";
import { z } from "zod";
import { createError } from "../errors/create-error.js";

export const callback = z.custom<(...args: never[]) => void>(
  (value) => typeof value === "function",
  "expected a function",
);
export const signal = z.custom<AbortSignal>((value) => value instanceof AbortSignal, "expected an AbortSignal");
export const path = z.union([z.string().min(1), z.instanceof(URL)]);
export const threads = z.int().min(1).max(512);
export const gpu = z.union([z.enum(["auto", "cuda", "metal", "vulkan"]), z.literal(false)]);

export const modelSource = z.strictObject({
  model: path,
  gpuLayers: z.union([z.literal("all"), z.int().min(0).max(1_000_000)]).optional(),
});

/** A short rendering of a refused value. */
function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an instance of ${value.constructor?.name ?? "Object"}`;
  return String(value);
}

function at(value: unknown, keys: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of keys) current = (current as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return current;
}

/** Parses, or throws ERR_INVALID_ARGUMENT naming the parameter, what was expected and what came. */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown, name: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const unknownKey = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const keys = [...(issue?.path ?? []), ...(unknownKey === undefined ? [] : [unknownKey])];
  const expected = unknownKey === undefined ? (issue?.message ?? "another value") : "no such option";
  throw refusedArgument([name, ...keys].join("."), expected, describe(at(value, keys)));
}

/** The error for an argument that is wrong. */
export function refusedArgument(parameter: string, expected: string, actual: string): Error {
  const details = { parameter, expected, actual };
  return createError("ERR_INVALID_ARGUMENT", `${parameter}: ${expected}; got ${actual}`, details);
}

/** A path for the file system. Refuses other URLs, and a zero byte, at which the system would cut the path off. */
export function toPath(file: string | URL, parameter = "model"): string {
  if (file instanceof URL && file.protocol !== "file:") throw notAPath(file.href, parameter);
  const path = file instanceof URL ? fileURLToPath(file) : file;
  if (path.includes("\0")) throw notAPath(JSON.stringify(path), parameter);
  return path;
}

function notAPath(actual: string, parameter: string) {
  const expected = "a path or a file: URL";
  return createError("ERR_INVALID_ARGUMENT", `${parameter}: expected ${expected}; got ${actual}`, {
    parameter,
    expected,
    actual,
  });
}

/** A path or a `file:` URL as a path. */
export const checkFilePath = (value: unknown, name: string): string => toPath(check(path, value, name), name);
