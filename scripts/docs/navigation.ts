/** What the documentation's site has, in its order: sections with their pages. The reference is made of the types. */

export interface Section {
  readonly name: string;
  /** From the repository's root. */
  readonly pages: readonly string[];
}

const docs = (...names: readonly string[]) => names.map((name) => `docs/${name}.md`);

/** The site's first page. */
export const frontPage = "README.md";

/** `decisions` of the repository, oldest first. */
export const navigation = (decisions: readonly string[]): readonly Section[] => [
  {
    name: "Guide",
    pages: docs("guide", "examples", "pull", "chat", "agents", "electron", "server", "remote", "ai-sdk", "migration"),
  },
  {
    name: "Concepts",
    pages: docs("concepts", "handover", "quality", "sessions", "prefix-cache", "saved-sessions", "writers", "host"),
  },
  {
    name: "Make a pair",
    pages: docs("make-a-pair", "make", "quantize", "prune", "heal", "answer", "adapters", "architectures"),
  },
  { name: "Measure", pages: docs("measure", "bench", "eval", "metrics") },
  { name: "Results", pages: docs("benchmarks", "reproduction", "scale", "kernels", "reliability") },
  { name: "Look up", pages: docs("api", "errors", "platforms", "upgrading") },
  { name: "Trust", pages: docs("security", "privacy") },
  { name: "Inside", pages: [...docs("architecture"), "CONTRIBUTING.md", "CHANGELOG.md", ...decisions] },
];

/** The section of what TypeDoc makes of the types. */
export const referenceSection = "Reference";
