/** The parts of an SVG that the plots have in common. */

/** A coordinate with one digit behind the point: more would only make the file larger. */
export const fixed = (value: number): string => value.toFixed(1);

export function svgText(
  x: number,
  y: number,
  content: string,
  attributes: Readonly<Record<string, string>> = {},
): string {
  const more = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`);
  return `<text x="${fixed(x)}" y="${fixed(y)}"${more.join("")}>${forXml(content)}</text>`;
}

/** The whole picture on white. */
export function svgPage(width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222222">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** Text that XML may hold: control characters are not among it, escaped or not. */
function forXml(content: string): string {
  const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to go
  return content.replace(/[\u0000-\u001f]/g, " ").replace(/[&<>]/g, (character) => entities[character] ?? "");
}
