/** Nothing that a model says runs in the page, reaches another site, or changes what is around it. */

import { browserTest } from "./browser.js";
import { delta, finish } from "./chunks.js";
import { hostileTexts } from "./hostile-texts.js";

const tags = "p br hr strong em del code pre blockquote a ul ol li h3 h4 h5 h6 table thead tbody tr th td";
/** What the page itself puts around blocks, code and tables. */
const frames = "div figure figcaption span button";

/** Elements and attributes in an answer that should not be there. */
const strangers = `[...document.querySelectorAll(".prose *")].flatMap((element) => [
  ...(${JSON.stringify(`${tags} ${frames}`.split(" "))}.includes(element.localName) ? [] : [element.outerHTML]),
  ...[...element.attributes]
    .filter(({ name, value }) => /^on|^(id|name|src|srcset|style|action|formaction)$/.test(name) || /^\\s*(javascript|data|vbscript):/i.test(value))
    .map(({ name, value }) => element.localName + " " + name + "=" + value),
])`;

browserTest(
  "hostile answers are text: nothing runs, nothing is fetched, nothing strange is in the page",
  async (t, { page, server }) => {
    server.script = async function* ({ messages }) {
      const text = hostileTexts[((messages as unknown[]).length - 1) / 2] ?? "";
      // In pieces, so that every half of it is shown too.
      for (const content of text.match(/[\s\S]{1,7}/g) ?? []) yield delta({ content, reasoning_content: content });
      yield finish("stop");
    };
    await page.goto(server.url);
    for (const [i, text] of hostileTexts.entries()) {
      await page.locator("#prompt:focus").waitFor();
      await page.locator("#prompt").fill(text);
      await page.keyboard.press("Enter");
      await page.locator(".answer").nth(i).and(page.locator('[aria-busy="false"]')).waitFor();
      await page.locator(".reasoning summary").nth(i).click();
      await page.locator("#prompt").focus();
    }
    t.is(await page.evaluate("window.ran"), undefined);
    t.deepEqual(await page.evaluate(strangers), []);
    for (const link of await page.locator(".prose a").all()) await link.hover();
    const kinds = new Set(server.paths.map((path) => path.replace(/-\w{8}\./, ".")));
    // Whether the icon is fetched is the browser's to decide.
    kinds.delete("/page/icon.svg");
    t.deepEqual([...kinds].sort(), ["/", "/page/main.js", "/page/style.css", "/v1/chat/completions", "/v1/models"]);
    await page.reload();
    await page.locator("#prompt:focus").waitFor();
    t.is(await page.evaluate("window.ran"), undefined);
    t.is(await page.locator(".answer").count(), hostileTexts.length, "the page is as it was after a reload");
  },
);

browserTest("links of an answer say where they lead and leave this page alone", async (t, { page, server }) => {
  server.script = async function* () {
    yield delta({ content: "[my bank](https://outside.example/x)" });
    yield finish("stop");
  };
  await page.goto(server.url);
  await page.locator("#prompt:focus").waitFor();
  await page.locator("#prompt").fill("A link");
  await page.keyboard.press("Enter");
  const link = page.locator(".prose a");
  await link.waitFor();
  t.is(await link.getAttribute("title"), "https://outside.example/x");
  t.is(await link.getAttribute("target"), "_blank");
  t.is(await link.getAttribute("rel"), "noopener noreferrer nofollow");
});

browserTest(
  "the policy refuses scripts, styles and HTML from anywhere but the server's files",
  async (t, { page, server, complaints }) => {
    await page.goto(server.url);
    await page.locator("#prompt:focus").waitFor();
    // By elements that are made and put in, which only the policy stands against.
    await page.evaluate(`(() => {
    const script = document.createElement("script");
    try { script.src = "data:text/javascript,window.ran=1"; } catch { script.type = "module"; }
    document.body.append(script);
  })()`);
    const refused = await page.evaluate(`(() => {
    try { document.body.insertAdjacentHTML("beforeend", "<p>x</p>"); return false; } catch (error) { return error instanceof TypeError; }
  })()`);
    t.true(refused, "a string is no HTML here");
    await page.evaluate(`(() => {
    const style = document.createElement("style");
    style.textContent = "body { display: none }";
    document.head.append(style);
  })()`);
    t.is(await page.evaluate("getComputedStyle(document.body).display"), "grid");
    t.is(await page.evaluate("window.ran"), undefined);
    t.true(complaints.length >= 2);
    complaints.length = 0;
  },
);
