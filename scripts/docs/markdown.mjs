/**
 * What has to be known of a page's Markdown: its title, its headings' anchors, and its links outside of code. Plain
 * JavaScript, since packing a release needs it too.
 */

const withoutCode = (text) =>
  text.replace(/^```[\s\S]*?^```/gm, "").replace(/``.*?``|`[^`\n]*`/g, (code) => " ".repeat(code.length));

/** The first heading, without marks. */
export function titleOf(text, path) {
  const title = /^# (.+)$/m.exec(text)?.[1];
  if (title === undefined) throw new Error(`${path} has no title`);
  return title.replaceAll("`", "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
}

/** The anchors that GitHub gives to a page's headings, and so does TypeDoc. */
export function anchorsOf(text) {
  const seen = new Map();
  const anchors = new Set();
  const body = text.replace(/^```[\s\S]*?^```/gm, "");
  for (const [, heading = ""] of body.matchAll(/^#{1,6} (.+)$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = words
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    anchors.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return anchors;
}

/** The targets of links and pictures. */
export function linksOf(text) {
  const plain = withoutCode(text);
  return [
    ...[...plain.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map((match) => match[1] ?? ""),
    ...[...plain.matchAll(/\b(?:href|src|srcset)="([^"]+)"/g)].map((match) => match[1] ?? ""),
  ];
}

/** The text with other targets in place of its links outside of code. */
export function mapLinks(text, change) {
  const parts = text.split(/(^```[\s\S]*?^```|``.*?``|`[^`\n]*`)/gm);
  return parts
    .map((part, i) =>
      i % 2 === 1
        ? part
        : part
            .replace(/(\]\()([^)\s]+)(\)|\s+")/g, (_, open, target, close) => `${open}${change(target)}${close}`)
            .replace(/\b(href|src|srcset)="([^"]+)"/g, (_, name, target) => `${name}="${change(target)}"`),
    )
    .join("");
}
