/**
 * `npm run docs`: the documentation as a site in build/docs, the pages of docs/ and the reference of the types in one
 * navigation with one search. Fails where a page is in no section, a link leads nowhere, or TypeDoc warns.
 *
 *     npm run docs -- [--out DIR]
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Application, Converter, LogLevel, type ProjectReflection, ReflectionKind } from "typedoc";
import { deadLinks } from "./html-links.js";
import { frontPage, referenceSection, type Section } from "./navigation.js";
import { copyPages, repository } from "./pages.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "build/docs") } } });
const out = resolve(values.out);

/** Entry points by the names that programs import them by. */
const subpaths: Readonly<Record<string, string>> = {
  overfill: "lib/index.ts",
  "overfill/host": "lib/host/index.ts",
  "overfill/server": "lib/server/index.ts",
  "overfill/ai-sdk": "lib/ai-sdk/index.ts",
};

/** Modules get the names that programs import, and pages the order of the navigation. */
function arrange(app: Application, sections: readonly Section[], titles: () => ReadonlyMap<string, number>): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getChildrenByKind(ReflectionKind.Module))
      module.name = module.name === "index" ? "overfill" : `overfill/${module.name.replace(/\/index$/, "")}`;
  });
  // After categories were made, which sort by name.
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      const place = titles();
      for (const category of project.categories ?? [])
        category.children.sort((a, b) => (place.get(a.name) ?? 0) - (place.get(b.name) ?? 0));
    },
    -1000,
  );
  app.logger.verbose(`${sections.length} sections`);
}

/** Where each page comes in the navigation, by its title. */
function placesOf(project: ProjectReflection): Map<string, number> {
  return new Map((project.documents ?? []).map(({ name }, i) => [name, i]));
}

const scratch = mkdtempSync(join(tmpdir(), "overfill-docs-"));
try {
  const sections = copyPages(root, scratch);
  let converted: ProjectReflection | undefined;
  const app = await Application.bootstrap({
    name: "overfill",
    tsconfig: join(root, "tsconfig.build.json"),
    entryPoints: Object.values(subpaths).map((path) => join(root, path)),
    basePath: root,
    readme: join(scratch, frontPage),
    projectDocuments: sections.flatMap(({ pages }) => pages.map((page) => join(scratch, page))),
    categorizeByGroup: false,
    defaultCategory: referenceSection,
    categoryOrder: [...sections.map(({ name }) => name), referenceSection],
    navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
    navigationLinks: { GitHub: repository, npm: "https://www.npmjs.com/package/overfill" },
    searchInComments: true,
    searchInDocuments: true,
    disableGit: true,
    gitRevision: "main",
    sourceLinkTemplate: `${repository}/blob/main/{path}#L{line}`,
    excludeInternal: true,
    excludePrivate: true,
    customCss: fileURLToPath(new URL("site.css", import.meta.url)),
    highlightLanguages: ["bash", "css", "html", "javascript", "json", "typescript", "cpp"],
    // Types that only their users name are told where they are used.
    validation: { notExported: false, invalidLink: true, notDocumented: false },
    treatWarningsAsErrors: true,
    githubPages: true,
    logLevel: LogLevel.Warn,
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    converted = project;
  });
  arrange(app, sections, () => (converted ? placesOf(converted) : new Map()));

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
