/** Schemas that the public rooms build theirs from, each with its words, and those of the options that rooms share. */
import { inWords } from "./expectations.js";
import type { GpuOption, KernelOption } from "./model-source.js";
import * as z from "./schema.js";

/**
 * The schemas of an interface of options: one for every option, none for another, and none that takes what the interface
 * does not. `{ ... } satisfies SchemasOf<Options>` ties a schema to its interface.
 */
export type SchemasOf<Options> = { readonly [Name in keyof Options]-?: z.Schema<unknown, Options[Name]> };

/**
 * A schema that is made when it is first asked for. Making all of them would take as long as loading the code does, in
 * every program that imports the package.
 */
export function onFirstUse<Made>(make: () => Made): () => Made {
  let made: Made | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** What a schema takes that `onFirstUse` gave. */
export type InputOf<Make extends () => z.Schema> = z.input<ReturnType<Make>>;

/** The largest number that a signed integer of 32 bits holds. */
export const maxInt32 = 2 ** 31 - 1;
/** The largest number that an unsigned integer of 32 bits holds. */
export const maxUint32 = 2 ** 32 - 1;

const inRange = (least: number, most: number) =>
  most >= Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;

/** A whole number; without `most` as large as a number can be told from its neighbours. */
export const whole = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  inWords(`a whole number ${inRange(least, most)}`, z.int().check(z.minimum(least), z.maximum(most)));

/** A number of both ends included. */
export const between = (least: number, most: number) =>
  inWords(`a number from ${least} to ${most}`, z.number().check(z.minimum(least), z.maximum(most)));

/** A number above `least`, up to `most`. */
export const above = (least: number, most: number) =>
  inWords(`a number above ${least}, up to ${most}`, z.number().check(z.gt(least), z.maximum(most)));

/** A text that is not empty. */
export const text = (most = Number.POSITIVE_INFINITY) =>
  inWords(
    most === Number.POSITIVE_INFINITY ? "a text that is not empty" : `a text of 1 to ${most} characters`,
    z.string().check(z.minLength(1), z.maxLength(most)),
  );

/** A list that callers may hand over read-only. The library's own `readonly` would freeze what comes out. */
export const readOnlyArray = <Element extends z.Schema>(element: Element) =>
  z.array(element) as unknown as z.Schema<readonly z.output<Element>[], readonly z.input<Element>[]>;

/** A list of `least` to `most` elements, which its words name, such as "a list of layers". */
export const list = <Element extends z.Schema>(words: string, element: Element, least = 0, most = maxInt32) =>
  inWords(words, readOnlyArray(element).check(z.minLength(least), z.maxLength(most)));

/** The name of the class of a value that belongs to the system, of whatever realm. */
const classOf = (value: unknown) => Object.prototype.toString.call(value).slice("[object ".length, -1);

/** A value of a kind that is told by a function. */
export const kind = <Value>(words: string, is: (value: unknown) => boolean) =>
  inWords(words, z.custom<Value>(is, `expected ${words}`));

export const isUrl = (value: unknown): value is URL => classOf(value) === "URL";
export const isMap = (value: unknown): value is ReadonlyMap<unknown, unknown> => classOf(value) === "Map";
export const isInt32Array = (value: unknown): value is Int32Array => classOf(value) === "Int32Array";

export const callback = <Function extends (...args: never[]) => void>() =>
  kind<Function>("a function", (value) => typeof value === "function");
export const signal = onFirstUse(() =>
  kind<AbortSignal>("an AbortSignal", (value) => classOf(value) === "AbortSignal"),
);
export const path = onFirstUse(() =>
  kind<string | URL>("a path or a file: URL", (value) => (typeof value === "string" && value !== "") || isUrl(value)),
);
export const priority = onFirstUse(() => z.withDefault(whole(-maxInt32 - 1, maxInt32), 0));
export const threads = onFirstUse(() => whole(1, 512));
export const gpu = onFirstUse(
  () =>
    z.union([z.oneOf(["auto", "cuda", "metal", "vulkan"]), z.literal(false)]) satisfies z.Schema<GpuOption, GpuOption>,
);
export const kernels = onFirstUse(
  () => z.union([z.literal("auto"), z.literal(false)]) satisfies z.Schema<KernelOption, KernelOption>,
);
export const tokenList = onFirstUse(() =>
  z.union([
    list("a list of token ids", whole(0, maxInt32)),
    kind<Int32Array>("an Int32Array", isInt32Array),
    kind<Uint32Array>("a Uint32Array", (value) => classOf(value) === "Uint32Array"),
  ]),
);

export const modelSourceShape = onFirstUse(() => ({
  model: path(),
  gpuLayers: z.optional(z.union([z.literal("all"), whole(0, 1_000_000)])),
  mmap: z.optional(z.boolean()),
}));
export const modelSource = onFirstUse(() => inWords("an object with a model", z.strictObject(modelSourceShape())));
