/** The page where it belongs: on the server, with a pair behind it. */

import test from "ava";
import { createHandler } from "../../../lib/server/index.js";
import { contentSecurityPolicy } from "../../../lib/server/page/index.js";
import { greeting, openScriptedPair, openServer } from "../fixtures.js";
import { browserTest } from "./browser.js";

test("the server has the page at /, also for those without a key, and not if it is told so", async (t) => {
  const { ask } = await openServer(t, { auth: { keys: ["a-secret-key"] } });
  const page = await ask("/");
  t.deepEqual([page.status, page.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
  t.is(page.headers.get("content-security-policy"), contentSecurityPolicy);
  const html = await page.text();
  for (const [, path = ""] of html.matchAll(/(?:href|src)="(page\/[^"]*)"/g)) t.is((await ask(`/${path}`)).status, 200);
  t.is((await ask("/", undefined, { headers: { "if-none-match": page.headers.get("etag") ?? "" } })).status, 304);
  t.is((await ask("/", undefined, { method: "HEAD" })).status, 200);
  t.is((await ask("/page/other.js")).status, 404);
  t.is((await ask("/page/..%2findex.html")).status, 404);
  t.is((await ask("/v1/models")).status, 401);
  const without = createHandler({ models: { small: await openScriptedPair(t) }, page: false });
  t.is((await without(new Request("http://localhost/"))).status, 404);
});

browserTest("a pair is chatted with on the page, at each position of the dial", async (t, { open }) => {
  const { server } = await openServer(t);
  const page = await open({}, server.url);
  await page.goto(server.url);
  for (const [i, dial] of ["Fast", "Acceptance", "Exact"].entries()) {
    await page.locator("#dial").getByText(dial, { exact: true }).click();
    await page.locator("#prompt").fill(greeting);
    await page.keyboard.press("Enter");
    const answer = page.locator(".answer").nth(i);
    await answer.and(page.locator('[aria-busy="false"]')).waitFor();
    t.is((await answer.locator(".prose").last().textContent())?.trim(), "Good day.", dial);
    const names = await page
      .locator(".row")
      .nth(2 * i + 1)
      .locator("dt")
      .allTextContents();
    for (const name of ["Read", "Cached", "Handover", "Written", "Speed"])
      t.true(names.includes(name), `${dial}: ${name}`);
  }
});
