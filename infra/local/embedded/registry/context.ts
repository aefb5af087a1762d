import type { BlobHost } from './blob-host.ts';
import type { Quirks } from './quirks.ts';
import type { RateLimit } from './rate-limit.ts';
import type { Storage } from './storage.ts';
import type { Uploads } from './uploads.ts';

/** The parts that the handlers of one registry share. */
export interface Context {
  readonly storage: Storage;
  readonly quirks: Quirks;
  readonly uploads: Uploads;
  readonly blobHost: BlobHost;
  readonly rateLimit: RateLimit;
}
