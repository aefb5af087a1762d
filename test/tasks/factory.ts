import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import type { Report } from '../../functions/state/documents.ts';
import type { ObjectStore } from '../../functions/state/object-store.ts';
import type { LockOptions } from '../../functions/state/lock.ts';
import type { RepositoryAdministration } from '../../functions/oci/registry/repository-administration.ts';
import { Runtime, type RuntimeParts } from '../../functions/runtime/runtime.ts';
import { type Configuration, type Environment, parseConfiguration } from '../../functions/settings/configuration.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';
import {
  type EmbeddedHarnessApi,
  type HarnessApiOptions,
  startHarnessApi,
} from '../../infra/local/embedded/harness-api/server.ts';
import type { Images } from '../../infra/local/embedded/harness-api/state.ts';
import { publishedImages } from '../../infra/local/embedded/official-sources.ts';
import { type Registry, type RegistryOptions, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { pushSamples, type PushSamplesOptions } from '../../infra/local/embedded/sample-images.ts';
import { LocalBundles } from '../../infra/local/bundles.ts';
import { FileStore } from '../../infra/local/file-store.ts';
import { run } from '../../infra/local/run.ts';
import { MemoryStore } from '../state/memory-store.ts';

/** Few enough for a quick run, and with what is odd about the real ones: a pair, a variant, an image of two fields. */
export const k8: Readonly<Images> = {
  addonTag: 'harness/ci-addon:1.18.22',
  liteEngineTag: 'harness/ci-lite-engine:1.18.22',
  addonTagRootless: 'harness/ci-addon:rootless-1.18.22',
  liteEngineTagRootless: 'harness/ci-lite-engine:rootless-1.18.22',
  gitCloneTag: 'harness/drone-git:1.7.25-rootless',
  cacheGCSTag: 'plugins/cache:1.10.12',
  cacheS3Tag: 'plugins/cache:1.10.12',
  securityTag: 'harness/sto-plugin:latest',
};
export const vm: Readonly<Images> = {
  gitCloneTag: 'harness/drone-git:1.7.25',
  cacheS3Tag: 'plugins/cache:1.10.12',
};
/** The images of a plain sync of K8: without the rootless fields, and each image once. */
export const k8Images = ['addonTag', 'liteEngineTag', 'gitCloneTag', 'cacheS3Tag', 'securityTag'].map(
  (field) => k8[field] as string,
);

export interface FactoryOptions {
  /**
   * The embedded Harness API. With a `profile`, the account has all fields of that profile, and the source all images
   * that Harness publishes for it. Without one, it has the few fields above.
   */
  harness?: HarnessApiOptions;
  /** The shape of images, which have few layers. Default: for one platform. With `{}`: for those of the real images. */
  samples?: PushSamplesOptions;
  source?: RegistryOptions;
  target?: RegistryOptions;
  /** Variables, or a function of the target's host that returns them. */
  environment?: Environment | ((target: string) => Environment);
  repositories?: Partial<RepositoryAdministration>;
  scans?: RuntimeParts['scans'];
  template?: RuntimeParts['template'];
  patience?: RuntimeParts['patience'];
  place?: RuntimeParts['place'];
  findExecution?: RuntimeParts['findExecution'];
  startCommand?: RuntimeParts['startCommand'];
  bundles?: RuntimeParts['bundles'];
  notify?: RuntimeParts['notify'];
  record?: RuntimeParts['record'];
  /** Receives the progress of the run. */
  onNote?: (message: string) => void;
  /** Below the target's host; default `mirror`. */
  prefix?: string;
  /** A folder for the state, as a local run has it. Default: the state is in memory. */
  folder?: string;
  lock?: LockOptions;
  callbackTarget?: RuntimeParts['callbackTarget'];
}

interface RunExtras {
  signal?: AbortSignal;
  runId?: string;
  onImageProgress?: () => void;
  /** Settings that differ from those of the factory. */
  configuration?: Partial<Configuration>;
}

/** A store that reports every write, for tests that must act at a certain moment of a run. */
class ObservedStore implements ObjectStore {
  readonly #store: ObjectStore;
  onPut: (key: string) => void | Promise<void> = () => undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#store.get(key);
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#store.put(key, body);
    await this.onPut(key);
  }

  async update(key: string, change: Parameters<ObjectStore['update']>[1]): Promise<boolean> {
    let body: Uint8Array | undefined;
    const updated = await this.#store.update(key, (before) => (body = change(before)));
    if (updated && body) await this.onPut(key);
    return updated;
  }

  list(prefix: string): Promise<string[]> {
    return this.#store.list(prefix);
  }

  locate(key: string): string {
    return this.#store.locate(key);
  }
}

export interface Factory {
  harness: EmbeddedHarnessApi;
  source: Registry;
  target: Registry;
  store: ObservedStore;
  /** `host:port/mirror` */
  registry: string;
  /** Runs the whole workflow once, as a new process would. */
  run(action: string, input?: object, extras?: RunExtras): Promise<Report>;
  sync(input?: object, extras?: RunExtras): Promise<Report>;
  /** Runs one task alone, as the workflow does when it tries again. */
  task<Event, Result>(task: (event: Event, run: TaskRun) => Promise<Result>, event: Event): Promise<Result>;
  /** The value the factory writes for an official image. */
  copyOf(image: string): string;
  /** The digest the target serves for an official image. */
  arrived(image: string): string | undefined;
  official(image: string): string | undefined;
  /** Puts samples into the source. */
  publish(images: readonly string[], options?: PushSamplesOptions): Image[];
  /** The stored overrides of an account's scope. */
  overrides(module?: 'ci' | 'iacm' | 'idp' | 'dbops', infra?: 'K8' | 'VM'): Images;
  /** Writes to Harness so far, as `path infra fields`. */
  writes(): { path: string; infra: string; fields: string[] }[];
  document<T>(key: string): Promise<T>;
  /** Everything that is stored below a prefix, as one text. */
  stored(prefix: string): Promise<string>;
  close(): Promise<void>;
}

export async function startFactory(options: FactoryOptions = {}): Promise<Factory> {
  const { profile, connector, accounts } = options.harness ?? {};
  const few = profile === undefined && { ci: { K8: { ...k8 }, VM: { ...vm } } };
  const harness = await startHarnessApi({ ...options.harness, defaults: { ...few, ...options.harness?.defaults } });
  const [source, target] = await Promise.all([startRegistry(options.source), startRegistry(options.target)]);
  // As in an account that is set up, pods can pull the copies; tests of connectors bring their own accounts.
  const registry = [target.host, options.prefix ?? 'mirror'].filter(Boolean).join('/');
  if (!accounts && connector === undefined) pullThrough(harness, `http://${registry}`);
  const store = new ObservedStore(options.folder === undefined ? new MemoryStore() : new FileStore(options.folder));
  const environment = {
    HARNESS_URL: harness.url,
    HARNESS_API_KEY: harness.apiKey,
    SOURCE_REGISTRY: source.host,
    REGISTRY_NAME: registry,
    ...(typeof options.environment === 'function' ? options.environment(target.host) : options.environment),
  };
  const configuration = parseConfiguration(environment, { harness: environment.HARNESS_API_KEY !== undefined });
  const { samples = { platforms: [{ os: 'linux', architecture: 'amd64' }] } } = options;
  const publish: Factory['publish'] = (images, more) =>
    pushSamples(source, [...new Set(images)], { layerBytes: 300, slim: true, ...samples, ...more });
  publish(profile === undefined ? [...Object.values(k8), ...Object.values(vm)] : publishedImages(profile));

  const startRuntime = ({ onImageProgress, configuration: more }: RunExtras = {}) =>
    new Runtime({
      configuration: { ...configuration, ...more },
      store,
      harnessApiKey: async () => configuration.harnessApiKey ?? '',
      credentials: anonymous,
      repositories: { ensure: async () => undefined, deleteImages: async () => false, ...options.repositories },
      ...(options.scans && { scans: options.scans }),
      ...(options.template && { template: options.template }),
      retry: { attempts: 2, baseMs: 1, maxMs: 2 },
      readBackPausesMs: [1, 2, 4],
      ...(options.lock && { lock: options.lock }),
      ...(options.patience && { patience: options.patience }),
      ...(options.place && { place: options.place }),
      ...(options.findExecution && { findExecution: options.findExecution }),
      ...(options.startCommand && { startCommand: options.startCommand }),
      ...(options.record && { record: options.record }),
      bundles: options.bundles ?? new LocalBundles(),
      notify: options.notify,
      callbackTarget: options.callbackTarget,
      onProgress: (event) => {
        if (event.kind === 'image-progress') onImageProgress?.();
        if (event.kind === 'note') options.onNote?.(event.message);
      },
    });
  const runOnce: Factory['run'] = async (action, input = {}, extras = {}) => {
    const { signal, runId } = extras;
    const runtime = startRuntime(extras);
    try {
      return await run({
        runtime,
        input: action === '' ? input : { action, ...input },
        retryPauseMs: 1,
        ...(signal && { signal }),
        ...(runId !== undefined && { runId }),
      });
    } finally {
      await runtime.close();
    }
  };
  const split = (image: string): [string, string] => {
    const [name = '', tag = ''] = image.split(':');
    return [name, tag];
  };
  return {
    harness,
    source,
    target,
    store,
    registry,
    run: runOnce,
    sync: (input, extras) => runOnce('sync', input, extras),
    async task(task, event) {
      const runtime = startRuntime();
      try {
        return await task(event, { runtime, signal: undefined });
      } finally {
        await runtime.close();
      }
    },
    copyOf: (image) => `${registry}/${image}`,
    arrived: (image) =>
      target.storage.resolve(`${registry.slice(registry.indexOf('/') + 1)}/${split(image)[0]}`, split(image)[1]),
    official: (image) => source.storage.resolve(...split(image)),
    publish,
    overrides(module = 'ci', infra = 'K8') {
      const account = harness.state[harness.accountId];
      return { ...(module === 'dbops' ? account?.dbops : account?.[module][infra]) };
    },
    writes: () =>
      harness.requests
        .filter(({ method, path }) => method === 'POST' && path.includes('/execution-config/'))
        .map(({ path, query, body }) => ({
          path: path.slice(path.lastIndexOf('/') + 1),
          infra: `${path.split('/')[2]} ${query['infra']}`,
          fields: (body as { field: string }[]).map(({ field }) => field),
        })),
    document: async (key) => JSON.parse(new TextDecoder().decode(await store.get(key))) as never,
    async stored(prefix) {
      const documents = (await store.list(prefix)).map((key) => store.get(key));
      return (await Promise.all(documents)).map((bytes) => new TextDecoder().decode(bytes)).join('\n');
    },
    async close() {
      await Promise.all([harness.close(), source.close(), target.close()]);
    },
  };
}

/** Gives the account's connector `harnessImage` an address. */
export function pullThrough(harness: EmbeddedHarnessApi, dockerRegistryUrl: string): void {
  const connectors = harness.state[harness.accountId]?.connectors ?? [];
  for (const { identifier, spec } of connectors)
    if (identifier === 'harnessImage') Object.assign(spec, { dockerRegistryUrl });
}

/** Warnings that the few images of these tests and a first switch bring along. */
const usual = /^\d+ images? without an override would be pulled from | uses the overrides of .+ too: /;

/** Returns the warnings of a report without those on fields that the run does not select, and on the reach of a switch. */
export function ownWarnings({ warnings = [] }: Report): string[] {
  return warnings.filter((warning) => !usual.test(warning));
}

/** Rows of a report's config by field: `status`. */
export function statuses(report: Report): Record<string, string> {
  return Object.fromEntries(
    report.config.map(({ module, infrastructureType, field, status }) => [
      `${module} ${infrastructureType} ${field}`,
      status,
    ]),
  );
}

export function imageStatuses(report: Report): Record<string, string> {
  return Object.fromEntries(report.images.map(({ image, status }) => [image, status]));
}
