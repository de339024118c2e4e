export interface PlatformPackages {
  readonly packageName: string;
  readonly libraries: string;
  readonly libc?: string;
}

export declare const platforms: Readonly<Record<string, PlatformPackages>>;

export declare const thisPlatform: string;
