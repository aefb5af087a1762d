import { readBlob } from './blob-download.ts';
import { getManifest, resolveTag } from './manifests.ts';
import { listReferrers } from './referrers.ts';
import { RepositoryClient } from './repository-client.ts';
import type { Source } from './source.ts';

/** A repository of a registry, as a source and a destination of copies. */
export class Repository extends RepositoryClient implements Source {
  manifest(...[tagOrDigest, signal]: Parameters<Source['manifest']>): ReturnType<Source['manifest']> {
    return getManifest(this, tagOrDigest, signal);
  }

  digestOf(...[tagOrDigest, options]: Parameters<Source['digestOf']>): ReturnType<Source['digestOf']> {
    return resolveTag(this, tagOrDigest, options);
  }

  blob(...[blob, options]: Parameters<Source['blob']>): ReturnType<Source['blob']> {
    return readBlob(this, blob, options);
  }

  referrers(...[subject, options]: Parameters<Source['referrers']>): ReturnType<Source['referrers']> {
    return listReferrers(this, subject, options);
  }
}
