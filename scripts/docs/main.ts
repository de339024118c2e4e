/**
 * `npm run docs`: the documentation as a site in build/docs, the pages of docs/ and the reference of the types in one
 * navigation with one search. Fails where a page is in no section, a link leads nowhere, or TypeDoc warns.
 *
 *     npm run docs -- [--out DIR]
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  Application,
  Converter,
  DocumentReflection,
  KindRouter,
  LogLevel,
  type Reflection,
  ReflectionKind,
} from "typedoc";
import { deadLinks } from "./html-links.js";
import { titleOf } from "./markdown.mjs";
import { frontPage, referenceSection } from "./navigation.js";
import { copyPages, repository } from "./pages.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "build/docs") } } });
const out = resolve(values.out);

/** What programs import. */
const entryPoints = ["lib/index.ts", "lib/host/index.ts", "lib/server/index.ts", "lib/ai-sdk/index.ts"];

/** Addresses by the pages' file names, which titles of today do not change; of the types by TypeDoc's. */
class PageRouter extends KindRouter {
  static pages: ReadonlyMap<string, string> = new Map();

  protected override getIdealBaseName(reflection: Reflection): string {
    const page = reflection instanceof DocumentReflection ? PageRouter.pages.get(reflection.name) : undefined;
    return page === undefined ? super.getIdealBaseName(reflection) : page.replace(/\.md$/, "");
  }
}

/** Modules get the names that programs import, and pages the order of the navigation. */
function arrange(app: Application, titles: readonly string[]): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getChildrenByKind(ReflectionKind.Module))
      module.name = module.name.replace(/^lib/, "overfill");
  });
  // After categories were made, which sort by name.
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      for (const category of project.categories ?? [])
        category.children.sort((a, b) => titles.indexOf(a.name) - titles.indexOf(b.name));
    },
    -1000,
  );
}

const scratch = mkdtempSync(join(tmpdir(), "overfill-docs-"));
try {
  const sections = copyPages(root, scratch);
  const pages = sections.flatMap(({ pages }) => pages);
  const titles = new Map(pages.map((page) => [titleOf(readFileSync(join(root, page), "utf8"), page), page]));
  const app = await Application.bootstrap({
    name: "overfill",
    tsconfig: join(root, "tsconfig.build.json"),
    entryPoints: entryPoints.map((path) => join(root, path)),
    basePath: root,
    readme: join(scratch, frontPage),
    projectDocuments: pages.map((page) => join(scratch, page)),
    categorizeByGroup: false,
    defaultCategory: referenceSection,
    categoryOrder: [...sections.map(({ name }) => name), referenceSection],
    navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
    navigationLinks: { GitHub: repository, npm: "https://www.npmjs.com/package/overfill" },
    router: "pages",
    includeHierarchySummary: false,
    searchInComments: true,
    searchInDocuments: true,
    disableGit: true,
    gitRevision: "main",
    sourceLinkTemplate: `${repository}/blob/main/{path}#L{line}`,
    excludeInternal: true,
    excludePrivate: true,
    customCss: fileURLToPath(new URL("site.css", import.meta.url)),
    highlightLanguages: ["bash", "console", "css", "html", "javascript", "json", "typescript", "cpp"],
    // Types that only their users name are told where they are used.
    validation: { notExported: false, invalidLink: true, notDocumented: false },
    treatWarningsAsErrors: true,
    githubPages: true,
    logLevel: LogLevel.Warn,
  });
  PageRouter.pages = titles;
  app.renderer.defineRouter("pages", PageRouter);
  arrange(app, [...titles.keys()]);

  const project = await app.convert();
  if (!project) throw new Error("TypeDoc could not read the types");
  app.validate(project);
  await app.generateDocs(project, out);
  const dead = deadLinks(out);
  for (const { page, target } of dead) console.error(`${page}: ${target} leads nowhere`);
  if (app.logger.hasErrors() || app.logger.hasWarnings() || dead.length > 0) process.exitCode = 1;
  else console.log(`${join(out, "index.html")}`);
} finally {
  rmSync(scratch, { recursive: true });
}
