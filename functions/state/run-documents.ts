import { FactoryError } from '../errors.ts';
import { changesSchema, planSchema, snapshotSchema } from './document-schemas.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';
import { asWritten, type Schema } from './schema.ts';
import type {
  ConfigResult,
  CopyResult,
  FieldChange,
  IncompleteImage,
  KeptField,
  Plan,
  Report,
  Scans,
  RollbackState,
  Snapshot,
  Told,
  UnusedImage,
  Writes,
} from './documents.ts';

/** The ids of the runs that have one of the documents `names`, of the keys of a store. */
export function runsAmong(keys: Iterable<string>, names: readonly string[]): string[] {
  const paths = [...keys].map((key) => key.split('/'));
  const found = paths.filter(
    ([top, , name = '', more]) => top === 'runs' && names.includes(name) && more === undefined,
  );
  return [...new Set(found.map(([, run = '']) => decodeURIComponent(run)))];
}

/** Reads and writes the documents of one run, each under its own key below `runs/<run id>/`. */
export class RunDocuments {
  readonly runId: string;
  readonly #store: ObjectStore;

  constructor(store: ObjectStore, runId: string) {
    this.#store = store;
    this.runId = runId;
  }

  get plan(): Document<Plan> {
    return this.#document('plan', planSchema);
  }

  /** The changes that are really made, and what is held back, once it is known which images arrived. */
  get changes(): Document<{ changes: FieldChange[]; held: KeptField[] }> {
    return this.#document('changes', changesSchema);
  }

  /** Whose lock the run asked for: not every task could ask Harness. */
  get lock(): Document<{ accountId: string }> {
    return this.#document('lock');
  }

  get snapshot(): Document<Snapshot> {
    return this.#document('snapshot', snapshotSchema);
  }

  /** What became of each change, rewritten after every batch. */
  get config(): Document<ConfigResult[]> {
    return this.#document('config');
  }

  get writes(): Document<Writes> {
    return this.#document('writes');
  }

  /** Written when the switch was verified: from then on it is kept. */
  get verified(): Document<{ at: string }> {
    return this.#document('verified');
  }

  get rollback(): Document<RollbackState> {
    return this.#document('rollback');
  }

  /** The latest run that put this one back after it was stopped. */
  get recovery(): Document<{ by: string }> {
    return this.#document('recovery');
  }

  /** Who heard of the end. */
  get told(): Document<Told> {
    return this.#document('told');
  }

  /** What is known of the scans, rewritten by every look at them. */
  get scans(): Document<Scans> {
    return this.#document('scans');
  }

  get pruned(): Document<UnusedImage[]> {
    return this.#document('pruned');
  }

  /** The images that `verify` found not to be whole. */
  get incomplete(): Document<IncompleteImage[]> {
    return this.#document('incomplete');
  }

  get report(): Document<Report> {
    return this.#document('report');
  }

  /** The result of copying the plan's image of that index. */
  copyResult(index: number): Document<CopyResult> {
    return this.#document<CopyResult>(`images/${index}`);
  }

  /** Since when BUILD_PUSH_TEMPLATE is at work on that image. */
  build(index: number): Document<{ startedAt: string }> {
    return this.#document(`images/${index}-build`);
  }

  /** What one call of that copy leaves to the next: a hint, to be checked by whoever reads it. */
  copyState(index: number): Document<unknown> {
    return this.#document<unknown>(`images/${index}-state`);
  }

  #document<T>(name: string, schema: Schema<T> = asWritten()): Document<T> {
    // Names of executions may have characters that keys may not.
    const key = `runs/${encodeURIComponent(this.runId)}/${name}.json`;
    return {
      location: this.#store.locate(key),
      find: () => getJson(this.#store, key, schema),
      get: async () => {
        const found = await getJson(this.#store, key, schema);
        if (found === undefined) {
          throw new FactoryError('StoreFailed', `${key} is missing from the object store`, {
            hint: 'Something deleted it while the run was under way. Start the run again.',
          });
        }
        return found;
      },
      put: (value) => putJson(this.#store, key, schema, value),
    };
  }
}

export interface Document<T> {
  /** For people: a path, or an address. */
  readonly location: string;
  /** `undefined` when it was not written. */
  find(): Promise<T | undefined>;
  /** Throws `StoreFailed` when it was not written. */
  get(): Promise<T>;
  put(value: T): Promise<void>;
}
