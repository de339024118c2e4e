export interface PackedManifest {
  readonly name: string;
  readonly version: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export declare const promised: readonly string[];

export declare function releaseProblems(release: {
  readonly tag?: string | undefined;
  readonly version: string;
  readonly changelog: string;
  readonly manifests: readonly PackedManifest[];
}): string[];

export declare function publishOrder<Manifest extends PackedManifest>(manifests: readonly Manifest[]): Manifest[];

export declare function distTagOf(version: string): string;
