/** Why the system refused a file, in the words of native/base/input_file.cpp, which says so of the files that it reads. */

import { getSystemErrorMap } from "node:util";

/** The system's own words for an error of `node:fs`; the message of another error. */
export function systemReason(cause: unknown): string {
  const { errno, message } = cause as NodeJS.ErrnoException;
  const [, words = message] = getSystemErrorMap().get(errno ?? 0) ?? [];
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}

/** Such as `a.txt does not exist`, from what reading it threw. */
export function unreadable(path: string, cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return `${path} does not exist`;
    case "ENOTDIR":
      return `${path} does not exist: a part of the path is not a folder`;
    case "ENAMETOOLONG":
      return `${path} does not exist: ${systemReason(cause)}`;
    case "EISDIR":
      return `${path} is not a file`;
    default:
      return `${path} cannot be read: ${systemReason(cause)}`;
  }
}
