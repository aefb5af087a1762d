import { FactoryError } from '../errors.ts';
import { getJson, type ObjectStore, putJson } from '../store/object-store.ts';
import type {
  ConfigResult,
  CopyResult,
  FieldChange,
  KeptField,
  Plan,
  Report,
  Snapshot,
  UnusedImage,
} from './documents.ts';

/** Reads and writes the documents of one run, each under its own key below `runs/<run id>/`. */
export class RunDocuments {
  readonly runId: string;
  readonly #store: ObjectStore;

  constructor(store: ObjectStore, runId: string) {
    this.#store = store;
    this.runId = runId;
  }

  get plan(): Document<Plan> {
    return this.#document('plan');
  }

  /** The changes that are really made, and what is held back, once it is known which images arrived. */
  get changes(): Document<{ changes: FieldChange[]; held: KeptField[] }> {
    return this.#document('changes');
  }

  get snapshot(): Document<Snapshot> {
    return this.#document('snapshot');
  }

  /** What became of each change, rewritten after every batch. */
  get config(): Document<ConfigResult[]> {
    return this.#document('config');
  }

  get pruned(): Document<UnusedImage[]> {
    return this.#document('pruned');
  }

  get report(): Document<Report> {
    return this.#document('report');
  }

  /** The result of copying the plan's image of that index. */
  copyResult(index: number): Document<CopyResult> {
    return this.#document<CopyResult>(`images/${index}`);
  }

  #document<T>(name: string): Document<T> {
    const key = `runs/${this.runId}/${name}.json`;
    return {
      find: () => getJson<T>(this.#store, key),
      get: async () => {
        const found = await getJson<T>(this.#store, key);
        if (found === undefined) {
          throw new FactoryError('StoreFailed', `${key} is missing from the object store`, {
            hint: 'Something deleted it while the run was under way. Start the run again.',
          });
        }
        return found;
      },
      put: (value) => putJson(this.#store, key, value),
    };
  }
}

export interface Document<T> {
  /** `undefined` when it was not written. */
  find(): Promise<T | undefined>;
  /** Throws `StoreFailed` when it was not written. */
  get(): Promise<T>;
  put(value: T): Promise<void>;
}
