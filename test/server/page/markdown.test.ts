/** Markdown as HTML in which nothing is left of the HTML that was in it. */

import test from "ava";
import fc from "fast-check";
import { renderMarkdown } from "../../../lib/server/page/browser/markdown.js";
import { hostileTexts } from "./hostile-texts.js";

const html = (text: string) =>
  renderMarkdown(text)
    .map((block) => block.html)
    .join("");

/** The tags of the HTML, with their attributes' names. */
const tagsOf = (text: string) => [...html(text).matchAll(/<([a-z][\w-]*)([^>]*)>/gi)];

const allowed = /^(?:p|br|hr|strong|em|del|code|pre|blockquote|a|ul|ol|li|h[3-6]|table|thead|tbody|tr|th|td)$/;

test("Markdown comes out as blocks", (t) => {
  t.is(renderMarkdown("# One\n\ntwo\n\n- three\n- four\n").length, 3);
  t.is(html("a **b** `c`\nd"), "<p>a <strong>b</strong> <code>c</code><br>d</p>\n");
  t.is(html("```ts\na < b\n```"), '<pre><code class="language-ts">a &lt; b\n</code></pre>');
  t.regex(html("| a | b |\n| - | -: |\n| 1 | 2 |"), /<td align="right">2<\/td>/);
  t.regex(html("- [x] done\n- [ ] open"), /☑ done[\s\S]*☐ open/);
});

test("headings begin below the page's own and leave no level out", (t) => {
  const levels = (text: string) => tagsOf(text).map(([, tag]) => tag);
  t.deepEqual(levels("# a\n\n## b\n\n# c"), ["h3", "h4", "h3"]);
  t.deepEqual(levels("### a\n\n###### b\n\n## c"), ["h3", "h4", "h4"]);
});

test("links lead to the web and to mail only, and pictures become links", (t) => {
  t.is(html("[a](https://x.example)"), '<p><a href="https://x.example">a</a></p>\n');
  t.is(html("![a cat](https://x.example/cat.png)"), '<p><a href="https://x.example/cat.png">a cat</a></p>\n');
  for (const address of [
    "javascript:alert(1)",
    "data:text/html,x",
    "/v1/models",
    "#prompt",
    "//x.example",
    "file:///etc/passwd",
  ])
    t.is(html(`[a](${address})`), "<p>a</p>\n", address);
});

for (const text of hostileTexts) {
  test(`only the tags of Markdown come out of ${JSON.stringify(text.slice(0, 60))}`, (t) => {
    for (const [whole, tag = "", attributes = ""] of tagsOf(text)) {
      t.regex(tag, allowed, whole);
      t.notRegex(attributes.replace(/"[^"]*"/g, '""'), /\b(?:on\w+|style|id|name|src|srcdoc)\s*=/i, whole);
      t.notRegex(attributes, /javascript:|data:/i, whole);
    }
  });
}

test("no text throws, and its tags are Markdown's", (t) => {
  const pieces = fc.constantFrom(
    "<",
    ">",
    '"',
    "'",
    "`",
    "*",
    "[",
    "](",
    ")",
    "!",
    "#",
    "\n",
    " ",
    "&#x",
    ";",
    "script",
    "javascript:",
    "onerror=",
    "https://x",
    "|",
    "-",
    "~~~",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
      for (const [whole, tag = ""] of tagsOf(parts.join(""))) t.regex(tag, allowed, whole);
    }),
    { numRuns: 500 },
  );
});

test("what nests too deep for the parser, or is too long for it, stays plain text", (t) => {
  const deep = `${">".repeat(20_000)} <b>x</b>`;
  t.true(html(deep).includes("&lt;b&gt;") || html(deep).length > deep.length);
  const long = "<b>*x*</b>\n".repeat(50_000);
  t.is(renderMarkdown(long).length, 1);
  t.true(html(long).startsWith("<p>&lt;b&gt;*x*&lt;/b&gt;<br>"));
});
