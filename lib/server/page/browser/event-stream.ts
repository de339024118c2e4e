/**
 * Server-sent events, as a streamed answer comes: the `data` of each event. Only what the format says of `data` is read;
 * names, ids and times to wait are for readers that reconnect, which an answer cannot do.
 */

/** Takes a stream's text in any pieces and gives the events that are complete. */
export class EventParser {
  #rest = "";
  #data: string[] = [];
  #begun = false;
  #skipLineFeed = false;

  push(text: string): string[] {
    let input = text;
    if (!this.#begun && input !== "") {
      this.#begun = true;
      if (input.startsWith("\uFEFF")) input = input.slice(1);
    }
    // A carriage return ends its line at once; the line feed that belongs to it may come with the next piece.
    if (this.#skipLineFeed && input !== "") {
      this.#skipLineFeed = false;
      if (input.startsWith("\n")) input = input.slice(1);
    }
    this.#skipLineFeed ||= input.endsWith("\r");
    const lines = (this.#rest + input).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#takeLine(line));
  }

  #takeLine(line: string): string[] {
    if (line === "") {
      const data = this.#data;
      this.#data = [];
      return data.length === 0 ? [] : [data.join("\n")];
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    if (field === "data") this.#data.push(colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, ""));
    return [];
  }
}

/** The events of a response's body. Leaving the iteration early cancels the body, and with it the request. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
