/** Links of every page lead somewhere, anchors included, and every page of docs/ is in the site's navigation. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { anchorsOf, linksOf, mapLinks, titleOf } from "../../scripts/docs/markdown.mjs";
import { frontPage } from "../../scripts/docs/navigation.js";
import { repositoryTarget, sectionsOf } from "../../scripts/docs/pages.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const examples = readdirSync(join(root, "examples")).map((name) => `examples/${name}/README.md`);
const others = ["SECURITY.md", "models/README.md", "create/README.md", ...examples];
const pages = [frontPage, ...others, ...sectionsOf(root).flatMap(({ pages }) => pages)];

test("every page of docs/ is in a section", (t) => {
  for (const folder of ["docs", "docs/decisions"])
    for (const name of readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")))
      t.true(pages.includes(`${folder}/${name}`), `${folder}/${name}`);
  t.is(new Set(pages).size, pages.length);
});

for (const page of pages)
  test(`the links of ${page} lead somewhere`, (t) => {
    t.truthy(titleOf(read(page), page));
    for (const target of linksOf(read(page))) {
      const inside = repositoryTarget(page, target);
      const path = inside?.path;
      if (path === undefined) continue;
      t.true(existsSync(join(root, path)), `${target} is not there`);
      const anchor = inside?.anchor ?? "";
      if (anchor !== "" && path.endsWith(".md"))
        t.true(anchorsOf(read(path)).has(anchor), `${target}: no such heading`);
    }
  });

test("titles, anchors and links are read as GitHub reads them", (t) => {
  const text =
    "# A `b`\n\n## A server: [lost](x.md), or not?\n\n## Same\n\n## Same\n\n```md\n## In code\n[c](d.md)\n```\n\n`[e](f.md)` [g](h.md#i)\n";
  t.is(titleOf(text, "x"), "A b");
  t.deepEqual([...anchorsOf(text)], ["a-b", "a-server-lost-or-not", "same", "same-1"]);
  t.deepEqual(linksOf(text), ["x.md", "h.md#i"]);
  t.is(mapLinks(text, (target) => `to/${target}`).replaceAll("to/", ""), text);
  t.true(mapLinks(text, () => "y").includes("[e](f.md)` [g](y)"));
  t.throws(() => titleOf("no heading", "x.md"), { message: "x.md has no title" });
});
