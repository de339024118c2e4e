/** Sizes as people write them: `1.0B` parameters, `900MB` or `1.5GiB` of file. */

const parameterUnits: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, b: 1e9, t: 1e12 };

const byteUnits: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** A count such as `1.0B`, `350M` or `1200000`; undefined for anything else. */
export const parseParameterCount = (text: string): number | undefined => parseSize(text, parameterUnits);

/** A number of bytes such as `900MB`, `1.5GiB` or `1200000`; undefined for anything else. */
export const parseByteCount = (text: string): number | undefined => parseSize(text, byteUnits);

function parseSize(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+)(\.\d+)? ?([a-z]*)$/i.exec(text);
  if (!match) return undefined;
  const [, whole = "", fraction = "", unit = ""] = match;
  const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined;
  if (factor === undefined || (factor === 1 && fraction !== "")) return undefined;
  const size = Math.round(Number(whole + fraction) * factor);
  return size >= 1 && Number.isSafeInteger(size) ? size : undefined;
}
