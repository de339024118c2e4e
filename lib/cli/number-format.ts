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

/** A long time by its two largest units: `45 s`, `12 min 5 s`, `3 h 20 min`, `2 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const units = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = units.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = units.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** What something takes in all, or may take, with no more digits than that is worth: `0.50 ms`, `7.2 s`, `12 min 5 s`. */
export function formatTime(ms: number): string {
  if (ms >= 10_000) return formatDuration(ms);
  return ms < 1000 ? formatMs(ms) : `${(ms / 1000).toFixed(1)} s`;
}
