/**
 * Copies the pages for TypeDoc, each with a head that says its title and its section. The pages of the repository stay as
 * they are: GitHub and npm show them without such a head. Links within the site become relative, links to other files of the
 * repository go to GitHub.
 */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { mapLinks, titleOf } from "./markdown.mjs";
import { frontPage, navigation, type Section } from "./navigation.js";

export const repository = "https://github.com/overfill/overfill";

/** Where a link of the page leads in the repository: a path with what may stand behind it. Undefined where it leads out. */
export function repositoryTarget(page: string, target: string): { path: string; anchor: string } | undefined {
  const own = new RegExp(`^${repository}/(?:blob|tree|raw)/main/`);
  const outside = /^[a-z][a-z+.-]*:/i.test(target);
  if (outside && !own.test(target)) return undefined;
  const [path = "", anchor = ""] = (outside ? target.replace(own, "") : target).split("#");
  if (path === "") return { path: page, anchor };
  return { path: outside ? path : posix.join(posix.dirname(page), path), anchor };
}

/** Every page of the site by its section, from the repository at `root`. */
export function sectionsOf(root: string): readonly Section[] {
  const decisions = readdirSync(join(root, "docs/decisions")).sort();
  return navigation(decisions.map((name) => `docs/decisions/${name}`));
}

/** The copy of every page below `out`. Throws where a page is missing, or one of docs/ is in no section. */
export function copyPages(root: string, out: string): readonly Section[] {
  const sections = sectionsOf(root);
  const known = new Set([frontPage, ...sections.flatMap(({ pages }) => pages)]);
  for (const name of readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")))
    if (!known.has(`docs/${name}`)) throw new Error(`docs/${name} is in no section of scripts/docs/navigation.ts`);

  const copy = (page: string, section?: string) => {
    const text = readFileSync(join(root, page), "utf8");
    const body = mapLinks(text, (target) => {
      const inside = repositoryTarget(page, target);
      if (!inside) return target;
      const anchor = inside.anchor === "" ? "" : `#${inside.anchor}`;
      if (inside.path === page && anchor !== "") return anchor;
      if (known.has(inside.path) || /\.(svg|png)$/.test(inside.path))
        return `${posix.relative(posix.dirname(page), inside.path)}${anchor}`;
      const kind = existsSync(join(root, inside.path)) && !/\.\w+$/.test(inside.path) ? "tree" : "blob";
      return `${repository}/${kind}/main/${inside.path}${anchor}`;
    });
    const matter = { title: titleOf(text, page), ...(section !== undefined && { category: section }) };
    const lines = Object.entries(matter).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    mkdirSync(dirname(join(out, page)), { recursive: true });
    // The first page's title is the site's.
    const shown = section === undefined ? body.replace(/^# .+\n+/, "") : `---\n${lines.join("\n")}\n---\n\n${body}`;
    writeFileSync(join(out, page), shown);
  };
  copy(frontPage);
  for (const { name, pages } of sections) for (const page of pages) copy(page, name);
  cpSync(join(root, "docs/reports"), join(out, "docs/reports"), { recursive: true });
  return sections;
}
