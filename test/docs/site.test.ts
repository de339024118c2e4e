/** What is made of the pages before TypeDoc reads them, and what is looked up in the site that it makes. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { deadLinks } from "../../scripts/docs/html-links.js";
import { copyPages, repositoryTarget } from "../../scripts/docs/pages.js";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("a page's copy has its title and section at its head, and links within the site", (t) => {
  const out = withTempDir(t);
  copyPages(root, out);
  const chat = readFileSync(join(out, "docs/chat.md"), "utf8");
  t.true(chat.startsWith('---\ntitle: "Chats"\ncategory: "Guide"\n---\n\n# Chats\n'));
  t.true(chat.includes("](writers.md)"));
  const readme = readFileSync(join(out, "README.md"), "utf8");
  t.true(readme.includes("](docs/guide.md)") && readme.includes("](docs/reports/readme.svg)"));
  t.true(readme.includes("](https://github.com/overfill/overfill/tree/main/examples/electron)"));
  t.true(existsSync(join(out, "docs/reports/readme.svg")));
  const security = readFileSync(join(out, "docs/security.md"), "utf8");
  t.true(security.includes("](https://github.com/overfill/overfill/blob/main/SECURITY.md)"));
});

test("links are told apart by where they lead", (t) => {
  const of = (target: string) => repositoryTarget("docs/chat.md", target);
  t.deepEqual(of("server.md#who"), { path: "docs/server.md", anchor: "who" });
  t.deepEqual(of("#tools"), { path: "docs/chat.md", anchor: "tools" });
  t.deepEqual(of("../LICENSE"), { path: "LICENSE", anchor: "" });
  t.deepEqual(of("https://github.com/overfill/overfill/blob/main/docs/a.md#b"), { path: "docs/a.md", anchor: "b" });
  t.is(of("https://github.com/overfill/overfill/issues"), undefined);
  t.is(of("https://example.com/a.md"), undefined);
});

test("a built site's links to missing files and anchors are found", (t) => {
  const folder = withTempDir(t);
  mkdirSync(join(folder, "documents"));
  writeFileSync(join(folder, "documents/a.html"), '<h2 id="here">A</h2><img src="../gone.svg"><a href="#here">');
  writeFileSync(
    join(folder, "index.html"),
    '<a href="documents/a.html#here"><a href="documents/a.html#there"><a href="https://example.com"><a href="documents">',
  );
  t.deepEqual(
    deadLinks(folder)
      .map(({ page, target }) => `${page}: ${target}`)
      .sort(),
    ["documents/a.html: ../gone.svg", "index.html: documents", "index.html: documents/a.html#there"],
  );
});
