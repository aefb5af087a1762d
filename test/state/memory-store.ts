import { assertKey, type ObjectStore } from '../../functions/state/object-store.ts';

/** An object store without a disk. */
export class MemoryStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>();
  puts = 0;

  async get(key: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    return this.objects.get(key);
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    assertKey(key);
    this.puts++;
    this.objects.set(key, body);
  }

  async list(prefix: string): Promise<string[]> {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
  }

  async update(key: string, change: Parameters<ObjectStore['update']>[1]): Promise<boolean> {
    assertKey(key);
    const body = change(this.objects.get(key));
    if (body) await this.put(key, body);
    return true;
  }

  locate(key: string): string {
    return `memory:${key}`;
  }
}
