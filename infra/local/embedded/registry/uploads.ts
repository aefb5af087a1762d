import { createHash, randomUUID, type Hash } from 'node:crypto';
import type { Quirks } from './quirks.ts';
import { algorithmOf, digestOf } from './reference.ts';

/** A blob on its way in. Bytes that arrived before a connection broke are kept, so that the client can resume. */
export class Upload {
  readonly id = randomUUID();
  readonly name: string;
  readonly begun = Date.now();
  readonly chunks: Buffer[] = [];
  /** Bytes so far. */
  size = 0;
  /** PATCH requests so far, with their sizes in bytes. */
  readonly patches: number[] = [];
  /** Marks the newest `Location`; part of it, as registries keep state there. */
  generation = 0;
  readonly #sha256: Hash = createHash('sha256');
  #writer = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Appends a body; returns its size in bytes. A later writer ends an earlier one whose connection still lingers. */
  async append(body: AsyncIterable<Buffer>): Promise<number> {
    const writer = ++this.#writer;
    const before = this.size;
    for await (const chunk of body) {
      if (writer !== this.#writer) break;
      this.chunks.push(chunk);
      this.size += chunk.length;
      this.#sha256.update(chunk);
    }
    return this.size - before;
  }

  /** Returns whether the bytes so far have this digest. */
  matches(digest: string): boolean {
    if (algorithmOf(digest) === 'sha512') return digestOf(this.chunks, 'sha512') === digest;
    return `sha256:${this.#sha256.copy().digest('hex')}` === digest;
  }
}

export class Uploads {
  readonly #quirks: Quirks;
  readonly #uploads = new Map<string, Upload>();

  constructor(quirks: Quirks) {
    this.#quirks = quirks;
  }

  get size(): number {
    return this.#uploads.size;
  }

  begin(name: string): Upload {
    const upload = new Upload(name);
    this.#uploads.set(upload.id, upload);
    return upload;
  }

  /** `undefined` when it is unknown, of another repository, or too old. */
  find(name: string, id: string): Upload | undefined {
    const upload = this.#uploads.get(id);
    if (upload?.name !== name) return undefined;
    const lifetime = this.#quirks.uploadLifetimeMs ?? Infinity;
    return Date.now() - upload.begun < lifetime ? upload : undefined;
  }

  end(upload: Upload): void {
    this.#uploads.delete(upload.id);
  }

  /** Forgets every upload, as a registry does that restarts. */
  clear(): void {
    this.#uploads.clear();
  }
}
