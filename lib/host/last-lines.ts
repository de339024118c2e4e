/** The last lines of what a process wrote, for the report of its crash. */

const mostLines = 40;
const longestLine = 500;

/** What is used of a process's output, be it Node's or Electron's. A pipe, which alone shall not keep this process alive. */
interface Output {
  on(event: string, listener: (piece: string) => void): unknown;
  setEncoding?(encoding: "utf8"): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

export class LastLines {
  readonly lines: string[] = [];
  readonly ended: Promise<void>;
  readonly #stream: Output | undefined;
  #rest = "";

  /** @param passOn whether everything goes to this process's standard error too */
  constructor(stream: Output | undefined, passOn: boolean) {
    this.#stream = stream;
    stream?.setEncoding?.("utf8");
    stream?.on("data", (piece: string) => {
      if (passOn) process.stderr.write(piece);
      this.#add(piece);
    });
    this.ended = new Promise((resolve) => {
      stream?.on("close", () => {
        this.#add("\n");
        resolve();
      });
    });
    stream?.unref?.();
  }

  /** This process waits for the last of them. */
  hold(): void {
    this.#stream?.ref?.();
  }

  #add(piece: string): void {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, longestLine);
    for (const line of lines) if (line.trim() !== "") this.lines.push(line.slice(0, longestLine));
    this.lines.splice(0, this.lines.length - mostLines);
  }
}
