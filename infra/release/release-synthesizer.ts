import { join } from 'node:path';
import {
  type DockerImageAssetLocation,
  type FileAssetLocation,
  type FileAssetSource,
  Fn,
  type ISynthesisSession,
  StackSynthesizer,
  Stage,
} from 'aws-cdk-lib/core';
import { zipFolder } from './zip.ts';

/** Parameters of the templates: where the zips are. */
export const assetsBucket = 'AssetsBucket';
export const assetsPrefix = 'AssetsPrefix';

/**
 * Makes templates that need no CDK and no bootstrap: the code of functions is in zips, whose bucket and prefix are
 * parameters. Each zip is named after what it holds, because CloudFormation sees changed code by its name alone.
 */
export class ReleaseSynthesizer extends StackSynthesizer {
  readonly #zips: Map<string, Uint8Array>;

  /** @param zips gets each zip by its name */
  constructor(zips: Map<string, Uint8Array>) {
    super();
    this.#zips = zips;
  }

  addFileAsset({ fileName, sourceHash, displayName }: FileAssetSource): FileAssetLocation {
    if (fileName === undefined || displayName === undefined)
      throw new Error('an asset of the release needs a folder and a display name');
    const name = `${displayName}-${sourceHash.slice(0, 16)}.zip`;
    if (!this.#zips.has(name)) this.#zips.set(name, zipFolder(join(this.#assets, fileName)));
    const url = `s3://\${${assetsBucket}}/\${${assetsPrefix}}${name}`;
    return {
      bucketName: Fn.ref(assetsBucket),
      objectKey: Fn.join('', [Fn.ref(assetsPrefix), name]),
      httpUrl: Fn.sub(url),
      s3ObjectUrl: Fn.sub(url),
    };
  }

  get #assets(): string {
    const stage = Stage.of(this.boundStack);
    if (!stage) throw new Error('the stack has no app');
    return stage.outdir;
  }

  addDockerImageAsset(): DockerImageAssetLocation {
    throw new Error('a release has no container images');
  }

  synthesize(session: ISynthesisSession): void {
    this.synthesizeTemplate(session);
  }
}
