import test from "ava";
import { linksOf } from "../../scripts/docs/markdown.mjs";
import { isAmong, lostLinks, withPackedLinks } from "../../scripts/release/packed-links.mjs";

const isPacked = isAmong(["README.md", "docs/guide.md", "docs/host.md", "examples/chat/main.mjs"]);
const source = "https://example.org/project";
const packed = (page: string, text: string) => withPackedLinks(text, { page, isPacked, source, revision: "v1" });

test("links to packed files, to packed folders and to elsewhere stay as they are", (t) => {
  const text = "[a](host.md#ends) [b](../README.md) [c](../examples/chat/) [d](#here) [e](https://example.com/x.md)";
  t.is(packed("docs/guide.md", text), text);
});

test("a link to a file that is not packed leads to the repository, with its anchor", (t) => {
  t.is(
    packed("docs/guide.md", "[a](benchmarks.md#full-size) [b](decisions/0001-x.md) ![c](reports/soak.svg)"),
    `[a](${source}/blob/v1/docs/benchmarks.md#full-size) [b](${source}/blob/v1/docs/decisions/0001-x.md) ![c](${source}/raw/v1/docs/reports/soak.svg)`,
  );
  t.is(
    packed("README.md", '<img src="docs/reports/readme.svg">'),
    `<img src="${source}/raw/v1/docs/reports/readme.svg">`,
  );
  t.is(packed("docs/guide.md", "[a](../CONTRIBUTING.md)"), `[a](${source}/blob/v1/CONTRIBUTING.md)`);
});

test("what stands in code is no link", (t) => {
  const text = "`[a](lost.md)`\n```md\n[b](lost.md)\n```\n";
  t.is(packed("docs/guide.md", text), text);
});

test("lost links are found, and none after they were changed", (t) => {
  const text = "[a](benchmarks.md#full-size) [b](host.md) [c](#here) [d](https://example.com/) [e](../CONTRIBUTING.md)";
  t.deepEqual(lostLinks(linksOf(text), "docs/guide.md", isPacked), ["benchmarks.md#full-size", "../CONTRIBUTING.md"]);
  t.deepEqual(lostLinks(linksOf(packed("docs/guide.md", text)), "docs/guide.md", isPacked), []);
});
