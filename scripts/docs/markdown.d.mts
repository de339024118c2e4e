export declare function titleOf(text: string, path: string): string;

export declare function anchorsOf(text: string): Set<string>;

export declare function linksOf(text: string): string[];

export declare function mapLinks(text: string, change: (target: string) => string): string;
