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

/** Returns the ids of the runs that have one of the documents `names`, from the keys of a store. */
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

  /** The changes to make and the fields held back, given the images that arrived. */
  get changes(): Document<{ changes: FieldChange[]; held: KeptField[] }> {
    return this.#document('changes', changesSchema);
  }

  /** The account whose lock the run requested. Not every task can ask Harness for it. */
  get lock(): Document<{ accountId: string }> {
    return this.#document('lock');
  }

  get snapshot(): Document<Snapshot> {
    return this.#document('snapshot', snapshotSchema);
  }

  /** The outcome of each change, rewritten after every batch. */
  get config(): Document<ConfigResult[]> {
    return this.#document('config');
  }

  get writes(): Document<Writes> {
    return this.#document('writes');
  }

  /** Written when the switch was verified. It is not rolled back afterwards. */
  get verified(): Document<{ at: string }> {
    return this.#document('verified');
  }

  get rollback(): Document<RollbackState> {
    return this.#document('rollback');
  }

  /** The latest run that rolled this run back after it was stopped. */
  get recovery(): Document<{ by: string }> {
    return this.#document('recovery');
  }

  /** Deliveries of the report. */
  get told(): Document<Told> {
    return this.#document('told');
  }

  /** The progress of the scans, rewritten by every check. */
  get scans(): Document<Scans> {
    return this.#document('scans');
  }

  get pruned(): Document<UnusedImage[]> {
    return this.#document('pruned');
  }

  /** Images that `verify` found incomplete. */
  get incomplete(): Document<IncompleteImage[]> {
    return this.#document('incomplete');
  }

  get report(): Document<Report> {
    return this.#document('report');
  }

  /** The result of copying the image at `index` in the plan. */
  copyResult(index: number): Document<CopyResult> {
    return this.#document<CopyResult>(`images/${index}`);
  }

  /** The start of the build of that image by BUILD_PUSH_TEMPLATE. */
  build(index: number): Document<{ startedAt: string }> {
    return this.#document(`images/${index}-build`);
  }

  /** The state that one call of that copy leaves to the next. It is a hint: check it after reading. */
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
  /** The path or address of the document, for messages. */
  readonly location: string;
  /** Returns `undefined` when the document was not written. */
  find(): Promise<T | undefined>;
  /** Throws `StoreFailed` when the document was not written. */
  get(): Promise<T>;
  put(value: T): Promise<void>;
}
