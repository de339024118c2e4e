/** The page for everybody: axe-core finds nothing to complain of, in either scheme, at any width, in any state. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ExecutionContext } from "ava";
import type { Page } from "playwright-core";
import { browserTest } from "./browser.js";
import { delta, figures, finish } from "./chunks.js";
import type { Script } from "./fake-server.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

async function violations(page: Page): Promise<readonly string[]> {
  // Not as a script of the page, which its policy would refuse.
  await page.evaluate(axe);
  const found = (await page.evaluate("axe.run().then(({ violations }) => violations)")) as readonly Violation[];
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

/** One of everything that an answer can have. */
export const everything: Script = async function* () {
  yield delta({ reasoning_content: "The user wants to see **everything**." });
  yield delta({
    content: [
      "# Tea\n\nPour water of **80 °C** over the leaves, see [the guide](https://tea.example/guide).\n\n## Steps\n",
      "1. Warm the pot\n2. Wait `3` minutes\n   - not more\n",
      "```js\nconst minutes = 3; // as long as it takes, and a line that is so long that it has to be scrolled in its frame\n```\n",
      "| Tea | Minutes |\n| --- | ---: |\n| Green | 3 |\n| Black | 5 |\n",
      "> Patience is bitter, but its fruit is sweet.\n\n---\n\nEnjoy.",
    ].join("\n"),
  });
  yield delta({ tool_calls: [{ index: 0, id: "a", function: { name: "timer", arguments: '{"minutes": 3}' } }] });
  yield finish("tool_calls");
  yield figures();
};

async function check(t: ExecutionContext, page: Page, state: string): Promise<void> {
  t.deepEqual(await violations(page), [], state);
}

for (const [look, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["narrow", { viewport: { width: 360, height: 700 } }],
  ["reduced motion", { reducedMotion: "reduce" }],
] as const) {
  browserTest(`axe-core finds nothing in any state of the page (${look})`, async (t, { server, open }) => {
    const page = await open(options);
    server.script = everything;
    server.key = "k";
    await page.goto(server.url);
    await page.locator("#key:focus").waitFor();
    await check(t, page, "asking for a key");
    await page.keyboard.type("k");
    await page.keyboard.press("Enter");
    await page.locator("#prompt:focus").waitFor();
    await check(t, page, "empty");
    await page.locator("#dial").getByText("Acceptance").click();
    await page.locator("#prompt").fill("How do I make tea?");
    await page.keyboard.press("Enter");
    await page.getByLabel("Result", { exact: true }).waitFor();
    await page.locator(".reasoning summary").click();
    await check(t, page, "an answer with everything");
    await page.getByRole("button", { name: "Edit" }).click();
    await check(t, page, "editing");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Settings" }).click();
    await page.locator("#temperature").fill("hot");
    await page.getByRole("button", { name: "Done" }).click();
    await page.locator("#settings-fault").waitFor();
    await check(t, page, "settings with a fault");
    await page.locator("#temperature").fill("");
    await page.getByRole("button", { name: "Done" }).click();
    server.script = async function* () {
      yield* [];
      throw new Error("the server broke");
    };
    await page.locator("#prompt").fill("More?");
    await page.keyboard.press("Enter");
    await page.getByText("the server broke", { exact: true }).first().waitFor();
    await check(t, page, "a failure");
    const width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    t.is(width, 0, "nothing is wider than the window");
  });
}

browserTest(
  "nothing moves where people do not want it, and every stop of the Tab key can be seen",
  async (t, { server, open }) => {
    const page = await open({ reducedMotion: "reduce" });
    server.script = everything;
    await page.goto(server.url);
    await page.locator("#prompt:focus").waitFor();
    await page.locator("#prompt").fill("How do I make tea?");
    await page.keyboard.press("Enter");
    await page.getByLabel("Result", { exact: true }).waitFor();
    t.is(await page.evaluate("document.getAnimations().length"), 0);
    await page.locator(".skip-link").focus();
    const seen: string[] = [];
    for (let i = 0; i < 40; i++) {
      const at = (await page.evaluate(`(() => {
      const focused = document.activeElement;
      const ringed = [focused, focused.nextElementSibling, focused.closest(".composer")].filter(Boolean);
      const isRinged = ringed.some((each) => {
        const { outlineStyle, boxShadow } = getComputedStyle(each);
        return outlineStyle === "solid" || (each.matches(".composer") && boxShadow !== "none");
      });
      return [focused.tagName + " " + (focused.id || focused.title || focused.textContent.slice(0, 20)), isRinged];
    })()`)) as readonly [string, boolean];
      if (at[0].startsWith("BODY")) break;
      t.true(at[1], `the focus on ${at[0]} can be seen`);
      seen.push(at[0]);
      await page.keyboard.press("Tab");
    }
    t.true(seen.length > 12, seen.join(", "));
  },
);
