export interface PackedPage {
  readonly page: string;
  readonly isPacked: (path: string) => boolean;
  readonly source: string;
  readonly revision: string;
}

export declare function withPackedLinks(text: string, packed: PackedPage): string;

export declare function lostLinks(links: readonly string[], page: string, isPacked: (path: string) => boolean): string[];

export declare function isAmong(files: readonly string[]): (path: string) => boolean;
