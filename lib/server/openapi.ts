/** The OpenAPI document, made of the schemas that check the bodies. */

import { OpenAPIHono } from "@hono/zod-openapi";
import { ownVersion } from "../internal/versions.js";
import { cellsType } from "../reader/cell-frames.js";
import { endpoints } from "./routes.js";

const errorSchema = {
  type: "object" as const,
  properties: {
    error: {
      type: "object" as const,
      properties: {
        message: { type: "string" as const },
        type: { type: "string" as const },
        param: { type: ["string", "null"] as ("string" | "null")[] },
        code: { type: ["string", "null"] as ("string" | "null")[] },
      },
      required: ["message", "type", "param", "code"],
    },
  },
  required: ["error"],
};

const json = (description: string, schema: object = {}) => ({
  description,
  content: { "application/json": { schema } },
});

/** @param needsKey whether requests have to have a key */
export function openApiDocument(needsKey: boolean): Readonly<Record<string, unknown>> {
  const { openAPIRegistry: registry, getOpenAPI31Document } = new OpenAPIHono();
  const security = needsKey ? [{ key: [] }] : [];
  if (needsKey) registry.registerComponent("securitySchemes", "key", { type: "http", scheme: "bearer" });
  for (const { method, paths, summary, body, streams, answerType = "application/json" } of endpoints) {
    const [path = ""] = paths;
    registry.registerPath({
      ...{ method, path: path.replace(/:(\w+)/g, "{$1}"), summary, security },
      ...(path.includes(":id") && {
        parameters: [{ name: "id", in: "path" as const, required: true, schema: { type: "string" as const } }],
      }),
      ...(body && { request: { body: { required: true, content: { "application/json": { schema: body } } } } }),
      responses: {
        200: {
          description: "The answer",
          content: {
            [answerType]: { schema: answerType === cellsType ? { type: "string", format: "binary" } : {} },
            ...(streams && { "text/event-stream": { schema: { type: "string" as const } } }),
          },
        },
        400: json("The request cannot be served; `param` names what is wrong", errorSchema),
        ...(needsKey && { 401: json("The key is missing or wrong", errorSchema) }),
        500: json("The server or its model failed", errorSchema),
        502: json("A machine that the model needs answered what cannot be used", errorSchema),
        503: json(
          "All sessions are busy, the server is stopping, or a machine that the model needs is away; `Retry-After` says when to come again",
          errorSchema,
        ),
        504: json("The request took too long, or a machine that the model needs did not answer", errorSchema),
      },
    });
  }
  for (const [path, summary] of [
    ["/health", "Whether the server is up"],
    ["/metrics", "Figures for Prometheus"],
    ["/openapi.json", "This document"],
  ] as const)
    registry.registerPath({ method: "get", path, summary, responses: { 200: { description: "The answer" } } });
  const info = {
    title: "overfill",
    version: ownVersion,
    description: "Two-stage inference, spoken to as OpenAI's API.",
  };
  return getOpenAPI31Document.call({ openAPIRegistry: registry }, { openapi: "3.1.0", info }) as unknown as Record<
    string,
    unknown
  >;
}
