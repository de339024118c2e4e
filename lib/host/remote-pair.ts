/** A pair in a host, with the face of one of the addon: what is above it does not know the difference. */

import { AbortedError, createError } from "../errors/create-error.js";
import type {
  NativeAnswerDelta,
  NativeAnswerParser,
  NativeCellFacts,
  NativeChatRequest,
  NativePair,
  NativePairInfo,
  NativePairMetrics,
  NativeRenderedChat,
  NativeSession,
} from "../internal/binding-types.js";
import type { EngineHost } from "./engine-host.js";
import type { HostLife } from "./host-life.js";
import { thePair } from "./protocol.js";
import { RemoteSession } from "./remote-session.js";

/** A parser in the host, by its number. */
class RemoteParser {
  declare readonly nativeAnswerParser: never;

  constructor(
    readonly life: HostLife,
    readonly number: number,
  ) {}
}

/** A rendered chat as it crosses: with its parser's number. */
type CrossingChat = Omit<NativeRenderedChat, "parser"> & { readonly parser: number };

const forgottenParsers = new FinalizationRegistry<{ readonly life: HostLife; readonly number: number }>(
  ({ life, number }) => life.tell(thePair, "forgetParser", [number]),
);

function asynchronousOnly(method: string): never {
  const instead = `${method}Async`;
  const message = `a pair in a host cannot answer ${method}() at once: await ${instead}()`;
  throw createError("ERR_HOST_ASYNC_ONLY", message, { method, instead });
}

export class RemotePair implements NativePair {
  readonly loaded: Promise<NativePairInfo>;
  readonly #host: EngineHost;
  /** Calls for a place that may be left, by their tickets. */
  readonly #queue = new Map<number, () => void>();
  #lastTicket = 0;

  constructor(host: EngineHost, loaded: Promise<NativePairInfo>) {
    this.#host = host;
    this.loaded = loaded;
  }

  abortLoad(): void {
    this.#host.abortLoad();
  }

  tokenize(): Int32Array {
    return asynchronousOnly("tokenize");
  }

  detokenize(): string {
    return asynchronousOnly("detokenize");
  }

  encode(): never {
    return asynchronousOnly("encode");
  }

  tokenizeLater(text: string, addSpecial: boolean, parseSpecial: boolean): Promise<Int32Array> {
    return this.#call("tokenizeLater", [text, addSpecial, parseSpecial]);
  }

  detokenizeLater(tokens: Int32Array, special: boolean): Promise<string> {
    return this.#call("detokenizeLater", [tokens, special]);
  }

  encodeLater(line: string, closeResponse: boolean): ReturnType<NativePair["encodeLater"]> {
    return this.#call("encodeLater", [line, closeResponse]);
  }

  cellFacts(writer: number): Promise<NativeCellFacts> {
    return this.#call("cellFacts", [writer]);
  }

  metrics(): NativePairMetrics {
    return this.#host.metrics();
  }

  createSession(
    priority: number,
    isBounded: boolean,
    writer: number,
    cacheKey: string,
  ): { readonly session: Promise<NativeSession>; readonly ticket: number } {
    const ticket = ++this.#lastTicket;
    const place = { writer, cacheKey, checkpoint: this.#host.newCheckpoint() };
    const open = async (life: HostLife) => {
      const { stay, stats } = await this.#host.openPlace(life, place, {
        priority,
        isBounded,
        onNumber: (number) => this.#queue.set(ticket, () => life.tell(thePair, "leaveQueue", [number])),
      });
      return new RemoteSession(this.#host, place, stay, stats);
    };
    const { life } = this.#host;
    const session = life ? open(life) : this.#restarted(ticket).then(open);
    const settled = () => this.#queue.delete(ticket);
    session.then(settled, settled);
    return { session, ticket };
  }

  leaveQueue(ticket: number): void {
    this.#queue.get(ticket)?.();
  }

  async renderChat(template: string, request: NativeChatRequest): Promise<NativeRenderedChat> {
    const life = await this.#host.alive();
    const { parser: number, ...chat } = await life.call<CrossingChat>(thePair, "renderChat", [template, request]);
    const parser = new RemoteParser(life, number);
    forgottenParsers.register(parser, { life, number });
    return { ...chat, parser };
  }

  parseAnswer(parser: NativeAnswerParser, more: string, isLast: boolean): Promise<NativeAnswerDelta[]> {
    const { life, number } = parser as RemoteParser;
    return life.call(thePair, "parseAnswer", [number, more, isLast]);
  }

  dispose(): Promise<void> {
    return this.#host.dispose();
  }

  async #call<Value>(method: string, args: readonly unknown[]): Promise<Value> {
    const life = this.#host.life ?? (await this.#host.alive());
    return life.call<Value>(thePair, method, args);
  }

  /** Waits for the host's next life, unless the caller leaves the queue before. */
  #restarted(ticket: number): Promise<HostLife> {
    return new Promise((resolve, reject) => {
      this.#queue.set(ticket, () => reject(new AbortedError("the call left the queue")));
      this.#host.alive().then(resolve, reject);
    });
  }
}
