export declare function manifestWith(text: string, version: string): string;

export declare function constantsWith(text: string, version: string): string;
