/** The page as people use it: by keyboard, in a real browser, on a server that says what the test has it say. */

import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { browserTest } from "./browser.js";
import { delta, figures, finish } from "./chunks.js";
import type { Body, Script } from "./fake-server.js";
import { makeGate } from "./gate.js";

const says = (...texts: readonly string[]): Script =>
  async function* () {
    for (const content of texts) yield delta({ content });
    yield finish("stop");
    yield figures();
  };

/** Opens the page and waits until it can be written in. */
async function ready(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator("#prompt:focus").waitFor();
}

async function ask(page: Page, text: string): Promise<void> {
  await page.locator("#prompt").fill(text);
  await page.keyboard.press("Enter");
}

const messagesOf = (body: Body | undefined) => (body?.messages ?? []) as readonly unknown[];
const answers = (page: Page) => page.locator(".answer");
const ended = (page: Page) => page.locator('.answer[aria-busy="false"]').last().waitFor();

browserTest(
  "a message is written, sent by Enter and answered, with the stages' times beside the answer",
  async (t, { page, server }) => {
    server.script = says("Good **day**.");
    await ready(page, server.url);
    t.is(await page.locator("#welcome").isVisible(), true);
    await page.keyboard.type("Two");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("lines");
    await page.keyboard.press("Enter");
    await ended(page);
    t.is(await page.locator(".said-text").textContent(), "Two\nlines");
    t.is(await page.locator(".answer .prose strong").last().textContent(), "day");
    t.deepEqual(await page.locator(".figures dt").allTextContents(), [
      "Read",
      "Cached",
      "Handover",
      "Written",
      "Speed",
    ]);
    t.deepEqual(
      (await page.locator(".figures dd").allTextContents()).map((cell) => cell.trim()),
      ["204 tokens 412 ms", "1,000 tokens", "3.1 ms same cache", "90 tokens 1.04 s", "86 tokens/s"],
    );
    const [answer, beside] = [await answers(page).boundingBox(), await page.locator(".figures").boundingBox()];
    t.true((beside?.x ?? 0) >= (answer?.x ?? 0) + (answer?.width ?? 0), "the figures are beside the answer");
    t.is(await page.locator("#prompt").inputValue(), "");
    t.true(await page.locator("#prompt:focus").isVisible());
    t.like(server.bodies[0], {
      model: "small:fast",
      stream: true,
      messages: [{ role: "user", content: "Two\nlines" }],
    });
  },
);

browserTest(
  "the pair and the dial are chosen by keyboard and go with the next message",
  async (t, { page, server }) => {
    server.script = says("ok");
    await ready(page, server.url);
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    t.is(await page.locator("#acceptance-field").isVisible(), false);
    await ask(page, "one");
    await ended(page);
    await page.locator("#dial").getByText("Acceptance").click();
    await page.locator("#acceptance").focus();
    await page.keyboard.press("ArrowRight");
    await page.reload();
    await page.locator("#prompt:focus").waitFor();
    t.is(await page.locator("#acceptance-value").textContent(), "0.35");
    await ask(page, "two");
    // The first answer has ended as well, and is the last one until the second stands there.
    await answers(page).nth(1).waitFor();
    await ended(page);
    t.deepEqual(
      server.bodies.map(({ model }) => model),
      ["large:exact", "large:0.35"],
    );
    t.is(messagesOf(server.bodies[1]).length, 3, "the conversation has survived the reload");
  },
);

browserTest("the answer is shown while it grows, and Escape stops it", async (t, { page, server }) => {
  const gone = makeGate();
  server.script = async function* (_, signal) {
    yield delta({ content: "Once upon" });
    yield delta({ content: " a time" });
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    gone.open();
  };
  await ready(page, server.url);
  await ask(page, "A story");
  await page.getByText("Once upon a time").waitFor();
  t.is(await answers(page).getAttribute("aria-busy"), "true");
  t.regex((await page.locator(".clock").textContent()) ?? "", /^Writing \d/);
  t.true(await page.locator("#stop").isVisible());
  await page.keyboard.press("Escape");
  await gone.passed;
  await ended(page);
  t.is(await page.locator(".ending").textContent(), "Stopped.");
  t.true(await page.locator("#send").isVisible());
  t.true(await page.locator("#prompt:focus").isVisible());
});

browserTest("the stop button stops too, and gives the focus back", async (t, { page, server }) => {
  server.script = async function* (_, signal) {
    yield delta({ content: "x" });
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  };
  await ready(page, server.url);
  await ask(page, "Go");
  await page.locator("#stop").focus();
  await page.keyboard.press("Enter");
  await ended(page);
  t.true(await page.locator("#prompt:focus").isVisible());
});

browserTest("an earlier message is edited and sent again; Escape leaves it as it was", async (t, { page, server }) => {
  server.script = says("ok");
  await ready(page, server.url);
  for (const text of ["one", "two"]) {
    await ask(page, text);
    await page
      .locator(".row")
      .nth(text === "one" ? 1 : 3)
      .locator('.answer[aria-busy="false"]')
      .waitFor();
  }
  await page.getByRole("button", { name: "Edit" }).first().click();
  await page.keyboard.type(" more");
  await page.keyboard.press("Escape");
  t.deepEqual(await page.locator(".said-text").allTextContents(), ["one", "two"]);
  t.is(await page.evaluate("document.activeElement.textContent"), "Edit");
  await page.keyboard.press("Enter");
  await page.getByLabel("Edit the message").fill("uno");
  await page.keyboard.press("Enter");
  await page.locator(".row").nth(2).waitFor({ state: "detached" });
  await ended(page);
  t.deepEqual(await page.locator(".said-text").allTextContents(), ["uno"]);
  t.true(await page.locator("#prompt:focus").isVisible());
  t.deepEqual(messagesOf(server.bodies.at(-1)), [{ role: "user", content: "uno" }]);
  await page.keyboard.press("ArrowUp");
  t.is(await page.getByLabel("Edit the message").inputValue(), "uno");
});

browserTest("reasoning is folded until it is wanted", async (t, { page, server }) => {
  const thought = makeGate();
  server.script = async function* () {
    yield delta({ reasoning_content: "Let me see." });
    await thought.passed;
    yield delta({ content: "Yes." });
    yield finish("stop");
  };
  await ready(page, server.url);
  await ask(page, "Well?");
  const summary = page.locator(".reasoning summary");
  await page.getByText("Thinking…").waitFor();
  t.is(await page.getByText("Let me see.").isVisible(), false);
  await summary.focus();
  await page.keyboard.press("Enter");
  await page.getByText("Let me see.").waitFor();
  thought.open();
  await ended(page);
  t.regex((await summary.textContent()) ?? "", /^Reasoning, \d/);
});

browserTest(
  "calls of tools are shown, and go on with the results that the user writes",
  async (t, { page, server }) => {
    const call = {
      index: 0,
      id: "a",
      type: "function",
      function: { name: "weather", arguments: '{"city":"<b>Graz</b>"}' },
    };
    server.script = async function* ({ messages }) {
      if ((messages as unknown[]).length > 1) return yield* says("Dry.")({}, new AbortController().signal);
      yield delta({ tool_calls: [call] });
      yield finish("tool_calls");
    };
    await ready(page, server.url);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.locator("#tools").fill("{");
    await page.getByRole("button", { name: "Done" }).click();
    t.regex((await page.locator("#settings-fault").textContent()) ?? "", /no JSON/);
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
    await page.locator("#tools").fill(JSON.stringify(tools));
    await page.getByRole("button", { name: "Done" }).click();
    await ask(page, "Rain in Graz?");
    await page.locator(".call").waitFor();
    t.is(await page.locator(".call pre").textContent(), '{\n  "city": "<b>Graz</b>"\n}');
    await page.getByLabel("Result", { exact: true }).fill("no rain");
    await page.keyboard.press("Enter");
    await answers(page).getByText("Dry.").waitFor();
    t.is(await page.locator(".call .result pre").textContent(), "no rain");
    t.deepEqual(server.bodies[0]?.tools, tools);
    t.like(messagesOf(server.bodies[1])[2], { role: "tool", tool_call_id: "a", content: "no rain" });
  },
);

browserTest("an answer, a message and a block of code are copied as they were written", async (t, { page, server }) => {
  server.script = says("Look:\n\n```js\nlet a = 1 < 2;\n```\n\n**Done.**");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await ready(page, server.url);
  await ask(page, "Code, please");
  await ended(page);
  const copied = async (name: string) => {
    await page.getByTitle(name).click();
    await page.getByTitle(name).filter({ hasText: "Copied" }).waitFor();
    return page.evaluate("navigator.clipboard.readText()");
  };
  t.is(await copied("Copy this code"), "let a = 1 < 2;");
  t.is(await copied("Copy the answer"), "Look:\n\n```js\nlet a = 1 < 2;\n```\n\n**Done.**");
  t.is(await copied("Copy the message"), "Code, please");
});

browserTest("the conversation is exported as JSON, without the key", async (t, { page, server }) => {
  server.script = says("ok");
  server.key = "right-key";
  await page.goto(server.url);
  await page.locator("#key:focus").waitFor();
  await page.keyboard.type("right-key");
  await page.keyboard.press("Enter");
  await page.locator("#prompt:focus").waitFor();
  await ask(page, "Hello");
  await ended(page);
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  const download = await waiting;
  t.regex(download.suggestedFilename(), /^overfill-[\d-]+\.json$/);
  const text = readFileSync(await download.path(), "utf8");
  t.like(JSON.parse(text), { format: "overfill-conversation", messages: [{ content: "Hello" }, { content: "ok" }] });
  t.false(text.includes("right-key"));
});

browserTest(
  "the key is asked for, refused, accepted, kept in this tab only, and forgotten",
  async (t, { page, server, open }) => {
    server.key = "right";
    await page.goto(server.url);
    await page.locator("#key:focus").waitFor();
    t.is(await page.locator("#composer").isVisible(), false);
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await page.locator("#key-fault").getByText("The server does not accept this API key.").waitFor();
    await page.locator("#key").fill("right");
    await page.keyboard.press("Enter");
    await page.locator("#prompt:focus").waitFor();
    t.is(await page.evaluate("sessionStorage.getItem('overfill.key')"), '"right"');
    t.deepEqual(await page.evaluate("[localStorage.length, document.cookie]"), [0, ""]);
    await page.reload();
    await page.locator("#prompt:focus").waitFor();
    const other = await open();
    await other.goto(server.url);
    await other.locator("#key:focus").waitFor();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Forget the API key" }).click();
    await page.locator("#key:focus").waitFor();
  },
);

browserTest(
  "failures are told of in the answer's place, and what failed can be tried again",
  async (t, { page, server }) => {
    server.script = async function* () {
      yield delta({ content: "Half an" });
      throw new Error("the context is <b>full</b>");
    };
    await ready(page, server.url);
    await ask(page, "Hello");
    await ended(page);
    t.is(await page.locator(".ending").textContent(), "the context is <b>full</b>");
    t.is(await page.locator(".answer .prose").last().textContent(), "Half an\n");
    server.script = says("Whole.");
    await page.getByRole("button", { name: "Try again" }).click();
    await answers(page).getByText("Whole.").waitFor();
    t.is(await page.locator(".ending").isVisible(), false);
  },
);

browserTest("a screen reader is told sentences, not tokens", async (t, { page, server }) => {
  const words = "This sentence has some words in it, and it is about nothing at all. ".repeat(6).split(/(?<= )/);
  server.script = says(...words);
  await ready(page, server.url);
  await ask(page, "Talk");
  await ended(page);
  const spoken = await page.locator("#spoken p").allTextContents();
  t.is(spoken[0], "The answer begins.");
  t.is(spoken.at(-1), "The answer is complete.");
  t.true(spoken.length <= 6, `${spoken.length} pieces for ${words.length} words`);
  t.is(spoken.slice(1, -1).join(" "), words.join("").trim());
  t.is(await page.locator("[aria-live], [role=log], [role=status]").count(), 1, "nothing else is read out");
});

browserTest("who reads further up stays there while the answer grows", async (t, { page, server }) => {
  const more = makeGate();
  server.script = async function* () {
    yield delta({ content: "line\n\n".repeat(60) });
    await more.passed;
    yield delta({ content: "line\n\n".repeat(60) });
    yield finish("stop");
  };
  await ready(page, server.url);
  await ask(page, "Go");
  await page.locator(".block").nth(59).waitFor();
  const place = "document.querySelector('main').scrollTop";
  t.true(((await page.evaluate(place)) as number) > 500, "the end is followed");
  await page.evaluate(`${place} = 100`);
  more.open();
  await ended(page);
  t.is(await page.evaluate(place), 100);
});
