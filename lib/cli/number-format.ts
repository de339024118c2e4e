/** Numbers for people to read. */

/** With thousands separated: `12,345`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** In binary units with three digits: `1.63 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[power]}`;
}

/** Milliseconds below ten seconds, seconds above: `0.02 ms`, `15.2 ms`, `12.3 s`. */
export function formatMs(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`;
}

/** `8.5 tokens/s`; nothing where no time was measured. */
export function formatSpeed(tokensPerSecond: number): string {
  if (tokensPerSecond === 0) return "";
  return `${formatCount(Number(tokensPerSecond.toFixed(tokensPerSecond < 100 ? 1 : 0)))} tokens/s`;
}
