/** What `overfill.config.json` may say. Its JSON schema, which editors check it with, is made of this one. */

import { z } from "@hono/zod-openapi";

/** `"12G"`, `"512M"`, or bytes. */
const bytes = z.union([
  z.int().min(1),
  z.string().regex(/^\d+(\.\d+)?\s*[KMGT]i?B?$/i, 'expected bytes, or such as "12G"'),
]);

const file = z.string().min(1).describe("path, relative to this file");

const source = {
  model: file,
  gpuLayers: z.union([z.literal("all"), z.int().min(0)]).optional(),
  mmap: z.boolean().optional(),
  adapters: z.array(z.strictObject({ file, scale: z.number().optional() })).optional(),
};

const service = z
  .strictObject({
    url: z.string().min(1),
    keyFile: file.optional().describe("file with one of the server's keys"),
    model: z.string().min(1).optional().describe("the model's name there; its first if not given"),
    ca: file.optional().describe("PEM file with the certificates to trust; the system's if not given"),
    insecure: z.boolean().optional().describe("whether http: may leave this machine"),
  })
  .describe("a server (overfill serve) that reads in the prefill model's place");

const device = z.union([
  z.string().min(1),
  z.strictObject({
    url: z.string().min(1),
    keyFile: file.optional().describe("file with the key, which overfill rpc-key writes"),
    insecure: z.boolean().optional().describe("whether rpc: may leave this machine"),
  }),
]);

const reader = z.strictObject({
  ...source,
  devices: z
    .array(device)
    .min(1)
    .max(16)
    .optional()
    .describe("servers (overfill rpc-server) whose devices the layers lie on: rpc:// or rpcs://HOST:PORT"),
  split: z.array(z.number().min(0)).min(1).max(64).optional().describe("each device's share of the layers"),
});

const prefill = z.union([file, reader, service]);
const decode = z.union([
  file,
  z.strictObject(source),
  z.strictObject({ writers: z.record(z.string().min(1), z.union([file, z.strictObject(source)])) }),
]);

const settings = z.strictObject({
  folder: file
    .optional()
    .describe("folder of a pair, which overfill make writes; then there is no decode and no translator"),
  prefill: prefill.optional().describe("the model that reads; beside a folder, where it lies by now"),
  decode: decode.optional().describe("the model that writes; the prefill model if there is none"),
  aliases: z.array(z.string().min(1)).optional().describe("further names"),
  template: z.string().min(1).optional().describe('file with a chat template in Jinja, or "chatml"'),
  templateVariables: z.record(z.string(), z.unknown()).optional(),
  contextSize: z.int().min(1).optional().describe("tokens of a session"),
  maxSessions: z.int().min(1).max(256).optional().describe("answers at a time; 4 if not given"),
  cacheTokens: z.int().min(1).optional().describe("tokens of KV cache for all sessions together"),
  batchSize: z.int().min(1).optional(),
  threads: z.int().min(1).optional(),
  gpu: z.union([z.enum(["auto", "cuda", "metal", "vulkan"]), z.literal(false)]).optional(),
  cacheTypeK: z.string().optional(),
  cacheTypeV: z.string().optional(),
  flashAttention: z.union([z.boolean(), z.literal("auto")]).optional(),
  handover: z.enum(["auto", "share", "translate"]).optional(),
  translator: file.optional(),
  remote: z
    .strictObject({ timeoutMs: z.int().min(10).optional(), stallTimeoutMs: z.int().min(10).optional() })
    .optional()
    .describe("how long such servers may take"),
  prefixCache: z
    .union([
      z.literal(false),
      z.strictObject({ maxBytes: bytes.optional(), directory: file.optional(), maxDiskBytes: bytes.optional() }),
    ])
    .optional(),
  defaults: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("options of every answer, by the library's names: temperature, quality, maxTokens"),
});

const model = z.union([
  file.describe("folder of a pair, relative to this file"),
  settings.meta({ anyOf: [{ required: ["folder"] }, { required: ["prefill"] }] }),
]);

export const configSchema = z
  .strictObject({
    $schema: z.string().optional(),
    models: z.record(z.string().min(1), model).describe("the pairs by their names; the first answers who names none"),
    host: z.string().min(1).optional(),
    port: z.int().min(0).max(65_535).optional(),
    keysFile: file.optional().describe("file with a key a line"),
    hosts: z.array(z.string().min(1)).optional(),
    origins: z.array(z.string().min(1)).optional(),
    maxConnections: z.int().min(1).optional(),
    page: z.boolean().optional().describe("whether a page to chat in is at /; it is if not given"),
    hostProcess: z.boolean().optional().describe("whether each model gets a process of its own"),
    maxModels: z.int().min(1).optional(),
    memory: bytes.optional().describe("for weights and KV caches of all models that are loaded"),
    limits: z
      .strictObject({
        bodyBytes: z.int().optional(),
        bodyMs: z.int().optional(),
        maxWaiting: z.int().optional(),
        waitMs: z.int().optional(),
        requestMs: z.int().optional(),
        slowReaderMs: z.int().optional(),
        maxChoices: z.int().optional(),
        storedResponses: z.int().optional(),
        storedBytes: z.int().optional(),
      })
      .optional(),
  })
  .describe("Configuration of overfill serve");

export type Config = z.output<typeof configSchema>;

/** The JSON schema that is published beside this room's code. */
export const configJsonSchema = (): object => ({ $id: "overfill.config.schema.json", ...z.toJSONSchema(configSchema) });
