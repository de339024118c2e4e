/** The written-out shapes against the SDK's own. `npm run typecheck` makes this file fail; running it only counts it. */

import type { LanguageModelV3, LanguageModelV3CallOptions, ProviderV3 } from "@ai-sdk/provider";
import test from "ava";
import { expectTypeOf } from "expect-type";
import type { CallOptions, LanguageModel, OverfillProvider } from "../../lib/ai-sdk/index.js";

test("a provider is one of the specification's", (t) => {
  expectTypeOf<OverfillProvider>().toExtend<ProviderV3>();
  t.pass();
});

test("a model takes every call of the specification, and answers with its parts", (t) => {
  expectTypeOf<LanguageModel>().toExtend<LanguageModelV3>();
  // Methods are compared loosely: what goes in is checked by itself.
  expectTypeOf<LanguageModelV3CallOptions>().toExtend<CallOptions>();
  t.pass();
});
