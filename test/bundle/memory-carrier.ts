import type { Companion, TarCarrier } from '../../functions/bundle/carrier.ts';

/** A carrier like an upload in parts: what was written cannot be read back, and whole units alone are durable. */
export class MemoryCarrier implements TarCarrier {
  readonly name = 'memory';
  readonly unit: number;
  readonly files = new Map<Companion, Uint8Array>();
  /** The durable bytes. */
  stored = Buffer.alloc(0);
  complete = false;

  constructor(unit: number) {
    this.unit = unit;
  }

  readonly companions = {
    read: async (companion: Companion) => this.files.get(companion),
    write: async (companion: Companion, bytes: Uint8Array) => void this.files.set(companion, Buffer.from(bytes)),
    remove: async (companion: Companion) => void this.files.delete(companion),
  };

  slices(size: number) {
    return [{ name: 'memory.tar', start: 0, end: size }];
  }

  async create(size: number, position: number) {
    this.stored = this.stored.length >= position ? this.stored.subarray(0, position) : Buffer.alloc(0);
    const { unit } = this;
    const all = Buffer.alloc(size);
    all.set(this.stored);
    let written = this.stored.length;
    return {
      unit,
      get position() {
        return written;
      },
      write: async (bytes: Uint8Array) => {
        all.set(bytes, written);
        written += bytes.length;
        this.stored = all.subarray(0, written - (written % unit));
      },
      flush: async () => this.stored.length,
      complete: async () => {
        this.stored = all.subarray(0, written);
        this.complete = true;
      },
      close: async () => undefined,
    };
  }
}
