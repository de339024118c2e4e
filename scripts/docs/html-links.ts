/** Links of a built site that lead nowhere: to a file that is not there, or to an anchor that its page does not have. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";

export interface DeadLink {
  readonly page: string;
  readonly target: string;
}

const idsOf = (html: string) => new Set([...html.matchAll(/\s(?:id|name)="([^"]+)"/g)].map((match) => match[1] ?? ""));
const unescaped = (text: string) => text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#x27;", "'");

export function deadLinks(folder: string): DeadLink[] {
  const pages = (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".html"));
  const texts = new Map(pages.map((page) => [page, readFileSync(join(folder, page), "utf8")]));
  const ids = new Map([...texts].map(([page, html]) => [page, idsOf(html)]));
  const dead: DeadLink[] = [];
  for (const [page, html] of texts) {
    // What a page's code shows is no link of it.
    const targets = [...html.matchAll(/\s(?:href|src)="([^"]*)"/g)].map((match) => unescaped(match[1] ?? ""));
    for (const target of new Set(targets)) {
      if (/^[a-z][a-z+.-]*:/i.test(target) || target === "") continue;
      const [path = "", anchor = ""] = target.split("#").map((part) => decodeURIComponent(part));
      const file = path === "" ? page : posix.join(posix.dirname(page), path);
      const exists = existsSync(join(folder, file)) && statSync(join(folder, file)).isFile();
      if (!exists || (anchor !== "" && ids.has(file) && !ids.get(file)?.has(anchor))) dead.push({ page, target });
    }
  }
  return dead;
}
