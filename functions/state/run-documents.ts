import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import * as content from './documents.ts';
import { getJson, htmlType, type ObjectStore, putJson } from './object-store.ts';
import { type Schema, versioned } from './schema.ts';

/** Returns the ids of the runs that have one of the documents `names`, from the keys of a store. */
export function runsAmong(keys: Iterable<string>, names: readonly string[]): string[] {
  const paths = [...keys].map((key) => key.split('/'));
  const found = paths.filter(
    ([top, , name = '', more]) => top === 'runs' && names.includes(name) && more === undefined,
  );
  return [...new Set(found.map(([, run = '']) => decodeURIComponent(run)))];
}

/** The advice for a document that tasks of one run hand to later ones. */
const cure = 'Start the run again, or delete the folder of the run.';

/** Describes a document that tasks of one run hand to later ones. `under` is the key of a list. */
function handedOn<T extends object>(shape: z.ZodType<T>, under?: string): Schema<T> {
  return versioned({ content: shape, cure, ...(under !== undefined && { under }) });
}

const storedPlan = versioned<Omit<content.Plan, 'images'> & { images: object[] }>({
  content: content.plan,
  cure,
  // Keep the keys that a later release of the same version may have added.
  complete: (stored, { images }) => ({
    ...stored,
    images: images.map((image, index) => ({ ...stored.images[index], ...image })),
  }),
});

/** Decodes and encodes the images of a plan. */
const planSchema: Schema<content.Plan> = {
  decode: (body, place) => storedPlan.decode(body, place) as content.Plan | undefined,
  encode: (plan) =>
    storedPlan.encode({
      ...plan,
      images: plan.images.map((image) => ({ ...image, ...z.encode(content.plannedImage, image) })),
    }),
};

/** The schemas of the documents that have a place for each image. */
const copyResult = handedOn(content.copyResult);
const build = handedOn(content.build);
/** A state that cannot be read counts as none: the copy begins again. */
const copyState = versioned({ content: content.copyState });

/** A place for documents, each under its own key below `runs/<run id>/`. */
class RunFolder {
  readonly runId: string;
  readonly #store: ObjectStore;
  readonly #folder: string;

  constructor(store: ObjectStore, runId: string) {
    this.#store = store;
    this.runId = runId;
    // Names of executions may have characters that keys may not.
    this.#folder = `runs/${encodeURIComponent(runId)}`;
  }

  /** Returns the place of a page for people. */
  html(name: string): Page {
    const key = `${this.#folder}/${name}.html`;
    return {
      location: this.#store.locate(key),
      put: (text) => this.#store.put(key, Buffer.from(text), { contentType: htmlType }),
    };
  }

  document<T>(name: string, schema: Schema<T>): Document<T> {
    const key = `${this.#folder}/${name}.json`;
    const location = this.#store.locate(key);
    const find = () => getJson(this.#store, key, schema);
    return {
      location,
      find,
      get: async () => {
        const found = await find();
        if (found === undefined) {
          throw new FactoryError('StoreFailed', `${location} is missing`, {
            hint: 'Something deleted it while the run was under way. Start the run again.',
          });
        }
        return found;
      },
      put: (value) => putJson(this.#store, key, schema, value),
    };
  }
}

export class RunDocuments extends RunFolder {
  readonly plan = this.document('plan', planSchema);
  /** The changes to make and the fields held back, given the images that arrived. */
  readonly changes = this.document('changes', handedOn(content.changes));
  /** The account whose lock the run requested. Not every task can ask Harness for it. */
  readonly lock = this.document('lock', handedOn(content.lock));
  readonly snapshot = this.document(
    'snapshot',
    versioned({ content: content.snapshot, cure: 'Restore the document from a backup, or restore another run.' }),
  );
  /** The outcome of each change, rewritten after every batch. */
  readonly config = this.document('config', handedOn(content.config, 'fields'));
  readonly writes = this.document('writes', handedOn(content.writes));
  /** The outcome of the change of the connector. */
  readonly connector = this.document('connector', handedOn(content.connectorState));
  /** Written when the switch was verified. It is not rolled back afterwards. */
  readonly verified = this.document('verified', handedOn(content.verified));
  readonly rollback = this.document('rollback', handedOn(content.rollbackState));
  /** The latest run that rolled this run back after it was stopped. */
  readonly recovery = this.document('recovery', handedOn(content.recovery));
  /** The times of the steps, each recorded when it ends. */
  readonly phases = this.document('phases', handedOn(content.phases, 'phases'));
  readonly told = this.document('told', handedOn(content.told));
  /** The progress of the scans, rewritten by every check. */
  readonly scans = this.document('scans', handedOn(content.scans));
  readonly pruned = this.document('pruned', handedOn(content.pruned, 'images'));
  /** Images that `verify` found incomplete. */
  readonly incomplete = this.document('incomplete', handedOn(content.incomplete, 'images'));
  readonly exported = this.document('exported', handedOn(content.exported));
  readonly exportState = this.document('export-state', versioned({ content: content.exportState }));
  readonly bundleCheck = this.document('bundle-check', versioned({ content: content.bundleCheck }));
  /** The content of the registry after an import, as "factory export --base" reads it. */
  readonly receipt = this.document('receipt', handedOn(content.receipt));
  /** The images that Harness needs and a bundle lacks, as "factory export --images" reads them. */
  readonly needs = this.document('needs', handedOn(content.needs));
  readonly report = this.document('report', handedOn(content.report));

  /** The report as a page for people. */
  readonly page = this.html('report');

  /** The result of copying the image at `index` in the plan. */
  copyResult(index: number): Document<content.CopyResult> {
    return this.document(`images/${index}`, copyResult);
  }

  /** The start of the build of that image by BUILD_PUSH_TEMPLATE. */
  build(index: number): Document<{ startedAt: string }> {
    return this.document(`images/${index}-build`, build);
  }

  /** The state that one call of that copy leaves to the next. */
  copyState(index: number): Document<content.CopyState> {
    return this.document(`images/${index}-state`, copyState);
  }
}

/** A page for people, which programs do not read. */
interface Page {
  /** The path or address of the page. */
  readonly location: string;
  put(text: string): Promise<void>;
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
