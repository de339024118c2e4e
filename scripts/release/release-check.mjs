/** What must be true of a release before any of it is published: nothing can be taken back from npm. */

import { platforms } from "./platforms.mjs";

/** The platforms that the documentation promises. Windows on arm64 comes along where it could be built. */
export const promised = ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64", "win32-x64"];

/** What `npm create overfill` runs. */
const createName = "create-overfill";

/**
 * @param tag the tag that is released, such as `v1.2.3`; undefined: none is asked for
 * @param version of package.json
 * @param changelog the text of CHANGELOG.md
 * @param manifests of all packed packages
 * @returns what is wrong, as sentences; none: it may be published
 */
export function releaseProblems({ tag, version, changelog, manifests }) {
  const problems = [];
  if (tag !== undefined && tag !== `v${version}`) problems.push(`the tag is ${tag}, but package.json says ${version}`);
  problems.push(...changelogProblems(version, changelog));

  const byName = new Map(manifests.map((manifest) => [manifest.name, manifest]));
  for (const { name, version: packed } of manifests)
    if (packed !== version) problems.push(`${name} is packed as ${packed}, not as ${version}`);
  const main = byName.get("overfill");
  if (!main) return [...problems, "the package itself, overfill, is missing"];

  const asked = main.optionalDependencies ?? {};
  for (const platform of promised) {
    const { packageName } = platforms[platform];
    if (!byName.has(packageName)) problems.push(`${packageName} is missing, which ${platform} was promised`);
  }
  for (const [name, range] of Object.entries(asked)) {
    if (!byName.has(name)) problems.push(`overfill asks for ${name}, which is not among the packages`);
    if (range !== version) problems.push(`overfill asks for ${name} ${range}, not for ${version}`);
  }
  const create = byName.get(createName);
  if (!create) problems.push(`${createName} is missing`);
  else if (create.dependencies?.overfill !== version)
    problems.push(`${createName} asks for overfill ${create.dependencies?.overfill}, not for ${version}`);
  for (const name of byName.keys())
    if (name !== "overfill" && name !== createName && !(name in asked)) problems.push(`nothing asks for ${name}`);
  return problems;
}

function changelogProblems(version, changelog) {
  const heading = changelog.split("\n").find((line) => line.startsWith(`## [${version}]`));
  if (heading === undefined) return [`CHANGELOG.md has no heading for ${version}`];
  if (/ - \d{4}-\d{2}-\d{2}$/.test(heading)) return [];
  return [`CHANGELOG.md has no date for ${version}: "${heading}"`];
}

/** What others ask for first: whoever installs the new version of overfill finds its platform packages there. */
export function publishOrder(manifests) {
  const last = ["overfill", createName];
  const rank = ({ name }) => last.indexOf(name);
  return [...manifests].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** Of a prerelease such as 1.2.0-rc.1 the first word behind the version; of all others npm's own default. */
export function distTagOf(version) {
  return /^\d+\.\d+\.\d+-([a-z]+)/i.exec(version)?.[1] ?? "latest";
}
