/** What the user chose, and what it comes to in a request. */

import { type Dial, isDial, modelChoice } from "./dial.js";

export interface Settings {
  /** The pair's name; empty until the server's are known. */
  readonly pair: string;
  readonly dial: Dial;
  /** With the dial at `acceptance`: from 0, as fast, to 1, as exact. */
  readonly acceptance: number;
  readonly system: string;
  /** Empty: the server's own. */
  readonly temperature: string;
  /** Empty: the server's own. */
  readonly maxTokens: string;
  /** JSON: OpenAI's list of tools; empty for none. */
  readonly tools: string;
}

export const defaultSettings: Settings = {
  pair: "",
  dial: "fast",
  acceptance: 0.3,
  system: "",
  temperature: "",
  maxTokens: "",
  tools: "",
};

/** Settings that were stored, with defaults for what is missing or not what it should be. */
export function readSettings(stored: unknown): Settings {
  const given = (typeof stored === "object" && stored !== null ? stored : {}) as Readonly<Record<string, unknown>>;
  const text = (name: "pair" | "system" | "temperature" | "maxTokens" | "tools") => {
    const value = given[name];
    return typeof value === "string" ? value : defaultSettings[name];
  };
  const { dial, acceptance } = given;
  return {
    pair: text("pair"),
    dial: isDial(dial) ? dial : defaultSettings.dial,
    acceptance:
      typeof acceptance === "number" && acceptance >= 0 && acceptance <= 1 ? acceptance : defaultSettings.acceptance,
    system: text("system"),
    temperature: text("temperature"),
    maxTokens: text("maxTokens"),
    tools: text("tools"),
  };
}

function toolsFault(text: string): string | undefined {
  if (text.trim() === "") return undefined;
  let tools: unknown;
  try {
    tools = JSON.parse(text);
  } catch (error) {
    return `Tools: this is no JSON (${(error as Error).message}).`;
  }
  if (!Array.isArray(tools)) return "Tools: a list is expected, as in the tools of a request.";
  const broken = tools.findIndex(
    (tool: { readonly function?: { readonly name?: unknown } } | null) => typeof tool?.function?.name !== "string",
  );
  return broken < 0 ? undefined : `Tools: entry ${broken + 1} has no function with a name.`;
}

/** What is wrong with the settings, in words for people; undefined where nothing is. */
export function settingsFault({ temperature, maxTokens, tools }: Settings): string | undefined {
  if (temperature.trim() !== "" && !(Number(temperature) >= 0 && Number(temperature) <= 2))
    return "Temperature: a number from 0 to 2 is expected.";
  if (maxTokens.trim() !== "" && !(Number.isInteger(Number(maxTokens)) && Number(maxTokens) > 0))
    return "Longest answer: a whole number above 0 is expected.";
  return toolsFault(tools);
}

/** The fields of a request, without its messages. The settings must be without fault. */
export function requestFields(settings: Settings): Readonly<Record<string, unknown>> {
  const { pair, dial, acceptance, temperature, maxTokens } = settings;
  const tools = settings.tools.trim() === "" ? [] : (JSON.parse(settings.tools) as readonly unknown[]);
  return {
    ...modelChoice(pair, dial, acceptance),
    ...(temperature.trim() !== "" && { temperature: Number(temperature) }),
    ...(maxTokens.trim() !== "" && { max_completion_tokens: Number(maxTokens) }),
    ...(tools.length > 0 && { tools }),
  };
}
