import test from "ava";
import { platforms } from "../../scripts/release/platforms.mjs";
import { distTagOf, promised, publishOrder, releaseProblems } from "../../scripts/release/release-check.mjs";

const version = "1.2.3";
const changelog = "# Changelog\n\n## [1.2.3] - 2026-12-01\n\n### Fixed\n\n## [1.2.2] - 2026-11-01\n";
const addons = promised.map((platform) => ({ name: platforms[platform]?.packageName ?? platform, version }));
const main = {
  name: "overfill",
  version,
  optionalDependencies: Object.fromEntries(addons.map(({ name }) => [name, version])),
};
const create = { name: "create-overfill", version, dependencies: { overfill: version } };
const whole = { tag: "v1.2.3", version, changelog, manifests: [main, create, ...addons] };

test("a whole release has no problems, with a tag and without", (t) => {
  t.deepEqual(releaseProblems(whole), []);
  t.deepEqual(releaseProblems({ ...whole, tag: undefined }), []);
});

test("a platform that is not promised may come along, and then must be asked for", (t) => {
  const extra = { name: "@overfill/win-arm64", version };
  t.deepEqual(releaseProblems({ ...whole, manifests: [...whole.manifests, extra] }), [
    "nothing asks for @overfill/win-arm64",
  ]);
  const asking = { ...main, optionalDependencies: { ...main.optionalDependencies, [extra.name]: version } };
  t.deepEqual(releaseProblems({ ...whole, manifests: [asking, create, ...addons, extra] }), []);
});

for (const { name } of addons)
  test(`a release without ${name} is refused`, (t) => {
    const manifests = whole.manifests.filter((manifest) => manifest.name !== name);
    const problems = releaseProblems({ ...whole, manifests });
    t.true(problems.some((problem) => problem.includes(`${name} is missing`)));
    t.true(problems.some((problem) => problem.includes(`asks for ${name}, which is not among`)));
  });

test("a release without the package itself is refused", (t) => {
  t.deepEqual(releaseProblems({ ...whole, manifests: addons }), ["the package itself, overfill, is missing"]);
});

test("a package of another version, and one that is asked for in another version, are refused", (t) => {
  const [first, ...rest] = addons as [(typeof addons)[0], ...typeof addons];
  const old = releaseProblems({ ...whole, manifests: [main, create, { ...first, version: "1.2.2" }, ...rest] });
  t.deepEqual(old, [`${first.name} is packed as 1.2.2, not as 1.2.3`]);
  const asking = { ...main, optionalDependencies: { ...main.optionalDependencies, [first.name]: "^1.2.0" } };
  t.deepEqual(releaseProblems({ ...whole, manifests: [asking, create, ...addons] }), [
    `overfill asks for ${first.name} ^1.2.0, not for 1.2.3`,
  ]);
});

test("a tag of another version is refused", (t) => {
  t.deepEqual(releaseProblems({ ...whole, tag: "v1.2.4" }), ["the tag is v1.2.4, but package.json says 1.2.3"]);
});

test("a version that the changelog does not have, or has not dated, is refused", (t) => {
  t.deepEqual(releaseProblems({ ...whole, changelog: "# Changelog\n" }), ["CHANGELOG.md has no heading for 1.2.3"]);
  const unreleased = changelog.replace("2026-12-01", "Unreleased");
  t.deepEqual(releaseProblems({ ...whole, changelog: unreleased }), [
    'CHANGELOG.md has no date for 1.2.3: "## [1.2.3] - Unreleased"',
  ]);
});

test("what npm create runs has to be there, and asks for this very version", (t) => {
  t.deepEqual(releaseProblems({ ...whole, manifests: [main, ...addons] }), ["create-overfill is missing"]);
  const old = { ...create, dependencies: { overfill: "^1.2.0" } };
  t.deepEqual(releaseProblems({ ...whole, manifests: [main, old, ...addons] }), [
    "create-overfill asks for overfill ^1.2.0, not for 1.2.3",
  ]);
});

test("nothing is published before what it asks for", (t) => {
  const names = publishOrder([main, create, ...addons]).map(({ name }) => name);
  t.deepEqual(names.slice(-2), ["overfill", "create-overfill"]);
  t.is(names.length, addons.length + 2);
});

test("a prerelease gets its own tag", (t) => {
  t.is(distTagOf("1.2.3"), "latest");
  t.is(distTagOf("1.2.3-rc.1"), "rc");
  t.is(distTagOf("1.2.3-beta.10"), "beta");
});
