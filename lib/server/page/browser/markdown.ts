/**
 * A model's Markdown as HTML, block by block. HTML in it is text like any other, and pictures become links, since a picture
 * would be fetched from wherever the model says. What comes out still has to pass `sanitize`.
 */

import { Marked, type Token, type Tokens } from "marked";

/** A paragraph, a list, a block of code. */
export interface Block {
  readonly html: string;
}

/** Longer texts, and those that nest too deep for the parser, stay as they are. */
const longestMarkdown = 400_000;

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? "");

/** Where a link may lead; anything else is shown as text. */
const followed = /^(?:https?:\/\/|mailto:)/i;

function linkTo(href: string, title: string | null | undefined, html: string): string {
  if (!followed.test(href)) return html;
  return `<a href="${escapeHtml(href)}"${title ? ` title="${escapeHtml(title)}"` : ""}>${html}</a>`;
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text, block }: Tokens.HTML | Tokens.Tag) => (block ? `<p>${escapeHtml(text)}</p>` : escapeHtml(text)),
    image: ({ href, title, text }: Tokens.Image) => linkTo(href, title, escapeHtml(text || href)),
    link({ href, title, tokens }: Tokens.Link) {
      return linkTo(href, title, this.parser.parseInline(tokens));
    },
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
    code({ text, lang }: Tokens.Code) {
      const language = /^[\w+#.-]{1,20}/.exec(lang ?? "")?.[0];
      return `<pre><code${language ? ` class="language-${escapeHtml(language)}"` : ""}>${escapeHtml(text)}\n</code></pre>`;
    },
  },
});

/** The page's own headings end at this level; the answer's begin below it. */
const pageLevel = 2;

/** Gives headings levels that follow the page's and leave none out, whatever the model wrote. */
function placeHeadings(tokens: readonly Token[]): void {
  let last = pageLevel;
  marked.walkTokens(tokens as Token[], (token) => {
    if (token.type !== "heading") return;
    token.depth = Math.min(token.depth + pageLevel, last + 1, 6);
    last = token.depth;
  });
}

const plainBlock = (text: string): Block => ({ html: `<p>${escapeHtml(text).replaceAll("\n", "<br>")}</p>` });

export function renderMarkdown(text: string): readonly Block[] {
  if (text.length > longestMarkdown) return [plainBlock(text)];
  try {
    const tokens = marked.lexer(text);
    placeHeadings(tokens);
    return tokens
      .filter(({ type }) => type !== "space" && type !== "def")
      .map((token) => ({ html: marked.parser([token]) }));
  } catch {
    return [plainBlock(text)];
  }
}
