/** Links of the pages in a packed package: those to files that are not packed lead to the repository. */

import { posix } from "node:path";
import { mapLinks } from "../docs/markdown.mjs";

const isPicture = (path) => /\.(?:svg|png|gif|jpe?g|webp)$/i.test(path);

const isRelative = (target) => !/^(?:[a-z][a-z0-9+.-]*:|\/\/|#)/i.test(target);

/**
 * @param page the text's place in the package, with `/`
 * @param isPacked whether a path is that of a packed file or of a folder with some
 * @param source the repository's address; `source/blob/REVISION/FILE` shows a file, and `raw` in place of `blob` sends it
 * @param revision the commit or tag that the package is made of
 * @returns the text, whose links all lead somewhere
 */
export function withPackedLinks(text, { page, isPacked, source, revision }) {
  return mapLinks(text, (target) => {
    if (!isRelative(target)) return target;
    const [path, anchor] = target.split("#", 2);
    const file = posix.join(posix.dirname(page), path);
    if (isPacked(file)) return target;
    const way = isPicture(file) ? "raw" : "blob";
    return `${source}/${way}/${revision}/${file}${anchor === undefined ? "" : `#${anchor}`}`;
  });
}

/** The targets of relative links that are not packed. */
export function lostLinks(links, page, isPacked) {
  return links.filter((target) => {
    const [path] = target.split("#", 1);
    return isRelative(target) && !isPacked(posix.join(posix.dirname(page), path));
  });
}

/** Whether a path is that of one of these files, or of a folder with some of them. */
export function isAmong(files) {
  const known = new Set(files);
  for (const file of files)
    for (let folder = posix.dirname(file); folder !== "."; folder = posix.dirname(folder)) known.add(folder);
  return (path) => known.has(path.replace(/\/$/, ""));
}
