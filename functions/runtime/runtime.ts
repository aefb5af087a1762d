import { HarnessClient } from '../harness/client.ts';
import { redacted } from '../http/redact.ts';
import { Transport } from '../http/transport.ts';
import type { CredentialProvider } from '../oci/registry/auth/credentials.ts';
import { BlobLedger } from '../oci/copy/blob-ledger.ts';
import type { ImageScans } from '../oci/registry/image-scans.ts';
import type { LayerUploads } from '../oci/copy/part-sink.ts';
import { Registry, type RetryPolicy } from '../oci/registry/registry.ts';
import type { RepositoryAdministration } from '../oci/registry/repository-administration.ts';
import { Repository } from '../oci/registry/repository.ts';
import type { Reference } from '../oci/spec/reference.ts';
import type { Delivery, Notification, Plan, RegistryCounts, Report } from '../state/documents.ts';
import { AccountLock, type LockOptions } from '../state/lock.ts';
import { ManifestCache } from '../state/manifest-cache.ts';
import { commandLine, type Place } from './place.ts';
import type { OutcomeDetail } from '../state/outcome-event.ts';
import { RunDocuments } from '../state/run-documents.ts';
import { RegistryCounter } from './registry-counts.ts';
import type { Bundle } from '../bundle/open-bundle.ts';
import type { Bundles } from './bundles.ts';
import { Patience } from './patience.ts';
import type { Template } from './template.ts';
import type { Configuration } from '../settings/configuration.ts';
import type { ObjectStore } from '../state/object-store.ts';

export type ProgressEvent =
  /** The copies begin: of `images` images, with the bytes that the plan expects to move. */
  | { kind: 'copying'; images: number; bytes: number }
  | { kind: 'image-started'; image: string; bytes: number }
  | { kind: 'image-progress'; image: string; bytes: number }
  | {
      kind: 'image-finished';
      image: string;
      status: 'copied' | 'exported' | 'repaired' | 'skipped' | 'failed';
      message?: string;
    }
  /** A pause of `seconds`, with its reason: of a registry, of Harness, of one image, or of the run. */
  | { kind: 'wait'; subject: string; reason: string; seconds: number }
  | { kind: 'note'; message: string };

/** The status of an execution of the state machine. */
export interface ExecutionEnd {
  status: string;
  error?: string | undefined;
  cause?: string | undefined;
}

export interface RuntimeParts {
  configuration: Configuration;
  store: ObjectStore;
  /** The release that runs, for reports. The code of functions has no version, so that a release changes few of them. */
  release?: string | undefined;
  /** Returns the next start by a schedule after an instant. Absent where no schedule is known. */
  nextRun?: ((after: Date) => Date | undefined) | undefined;
  /** Returns the API key. `refused` is a key that Harness refused: then the stored key is read again. */
  harnessApiKey: (refused?: string) => Promise<string>;
  credentials: CredentialProvider;
  repositories: RepositoryAdministration;
  /** Returns the upload protocol of registries that have their own. */
  layerUploads?: (registry: string) => LayerUploads | undefined | Promise<LayerUploads | undefined>;
  /** Registries that scan the images they hold. */
  scans?: (registry: string) => ImageScans | undefined | Promise<ImageScans | undefined>;
  template?: (arn: string) => Template | Promise<Template>;
  /** Opens and writes bundles. */
  bundles?: Bundles;
  onProgress?: (event: ProgressEvent) => void;
  retry?: Partial<RetryPolicy>;
  /** Pauses between readings of a configuration that does not show yet what was written, in milliseconds. */
  readBackPausesMs?: readonly number[];
  lock?: LockOptions;
  /** The place of runs. Default: a command line. */
  place?: Place;
  /** The time that a rollback waits while Harness is unavailable. Default: 0. */
  patience?: Patience;
  /** Looks up an execution of the state machine. Absent where runs are not executions. */
  findExecution?: (runId: string) => Promise<ExecutionEnd | undefined>;
  /** Returns the command that starts an execution with an input. Absent where runs are not executions. */
  startCommand?: (input: object) => string;
  /** Reads the secret with the callback that is sent when a run ends. */
  callbackTarget?: ((refused?: string) => Promise<string>) | undefined;
  /** Notifies people of the end of a run. */
  notify?: ((notification: Notification) => Promise<void>) | undefined;
  /** The event bus that gets the outcome of each run, and the name of the factory there. */
  events?: { factory: string; put: (detail: OutcomeDetail) => Promise<void> };
  /** Records the metrics of a run, and the deliveries of its report that failed. */
  record?: (report: Report, failed: readonly Delivery[]) => void;
}

/** The shortest pause that is reported. */
const shortestPauseMs = 1_000;

/** 30 seconds in all, because Harness may serve an old copy for a while. */
const defaultReadBackPausesMs = [500, 1_000, 2_000, 4_000, 8_000, 14_500];

/** The dependencies of tasks. They differ only in their parts between Lambda and a single process. */
export class Runtime {
  readonly configuration: Configuration;
  readonly store: ObjectStore;
  readonly repositories: RepositoryAdministration;
  readonly manifests: ManifestCache;
  readonly readBackPausesMs: readonly number[];
  readonly lock: AccountLock;
  readonly place: Place;
  readonly patience: Patience;
  readonly transport: Transport;
  /** The parts that differ by the place of runs. */
  readonly parts: RuntimeParts;
  readonly #registries = new Map<string, Registry>();
  readonly #counter = new RegistryCounter();
  #ledgers: { runId: string; byRegistry: Map<string, BlobLedger> } = { runId: '', byRegistry: new Map() };
  #plan: Plan | undefined;
  #documents: RunDocuments | undefined;
  #bundle: { address: string; opened: Promise<Bundle> } | undefined;
  #harness: Promise<HarnessClient> | undefined;
  /** A refused key. The key that replaces it may belong to another account. */
  #refusedKey: string | undefined;

  constructor(parts: RuntimeParts) {
    this.parts = parts;
    const { registryCerts, trustedPrivateHosts } = parts.configuration;
    this.transport = new Transport({ registryCerts, trustedPrivateHosts });
    this.configuration = parts.configuration;
    this.store = parts.store;
    this.repositories = parts.repositories;
    this.manifests = new ManifestCache(parts.store);
    this.readBackPausesMs = parts.readBackPausesMs ?? defaultReadBackPausesMs;
    this.lock = new AccountLock(parts.store, parts.lock ?? {}, (message) => this.progress({ kind: 'note', message }));
    this.place = parts.place ?? commandLine();
    this.patience = parts.patience ?? new Patience(0);
  }

  run(runId: string): RunDocuments {
    if (this.#documents?.runId !== runId) this.#documents = new RunDocuments(this.store, runId);
    return this.#documents;
  }

  harness(): Promise<HarnessClient> {
    this.#harness ??= this.#connectHarness().catch((error: unknown) => {
      // Not kept: a warm function would fail on every call after one failure to read the key.
      this.#harness = undefined;
      throw error;
    });
    return this.#harness;
  }

  registry(name: string): Registry {
    let registry = this.#registries.get(name);
    if (!registry) {
      const pauses = this.#pausesOf(name);
      registry = new Registry({
        registry: name,
        transport: this.transport,
        credentials: this.parts.credentials,
        insecure: this.configuration.insecureRegistries.includes(name),
        trustedTokenHosts: this.configuration.trustedTokenHosts,
        onNote: (message) => this.progress({ kind: 'note', message }),
        onRetry: ({ reason, attempt, attempts, pauseMs }) =>
          pauses.tell(`${reason}, attempt ${attempt} of ${attempts}`, Date.now() + pauseMs),
        ...(this.parts.retry && { retry: this.parts.retry }),
      });
      registry.limits.watchPauses((until) => pauses.tell('HTTP 429 with Retry-After', until));
      this.#registries.set(name, registry);
    }
    return registry;
  }

  repository({ registry, repository }: Pick<Reference, 'registry' | 'repository'>): Repository {
    return new Repository(this.registry(registry), repository);
  }

  async template(arn: string): Promise<Template> {
    const template = await this.parts.template?.(arn);
    if (!template) throw new TypeError(`nothing here can call ${arn}`);
    return template;
  }

  /** Opens a bundle, once for all tasks of this process. Throws `BundleInvalid`. */
  async bundle(address: string, signal?: AbortSignal): Promise<Bundle> {
    if (!this.parts.bundles) throw new TypeError('nothing here can open or write bundles');
    const opened = this.#bundle?.address === address ? this.#bundle.opened : undefined;
    const opening = opened ?? this.parts.bundles.open(address, signal);
    this.#bundle = { address, opened: opening };
    // Not kept after a failure: the next call may find it whole.
    opening.catch(() => (this.#bundle = undefined));
    return opening;
  }

  /** Returns the counts of each registry since the last call. */
  takeCounts(): RegistryCounts[] {
    return this.#counter.take(this.#registries.values());
  }

  /** Returns the plan of a run to the tasks that follow it. It is read once, because none of them changes it. */
  async plan(runId: string): Promise<Plan> {
    if (this.#plan?.runId !== runId) this.#plan = await this.run(runId).plan.get();
    return this.#plan;
  }

  /**
   * Returns the blobs that a run knows at a registry. They are forgotten with the run, because registries delete blobs.
   */
  ledger(runId: string, registry: string): BlobLedger {
    if (this.#ledgers.runId !== runId) this.#ledgers = { runId, byRegistry: new Map() };
    let ledger = this.#ledgers.byRegistry.get(registry);
    if (!ledger) this.#ledgers.byRegistry.set(registry, (ledger = new BlobLedger()));
    return ledger;
  }

  progress(event: ProgressEvent): void {
    this.parts.onProgress?.(
      event.kind === 'note'
        ? { ...event, message: redacted(event.message) }
        : event.kind === 'wait'
          ? { ...event, reason: redacted(event.reason) }
          : event,
    );
  }

  /** Reports pauses of one party. Concurrent requests pause together, each a moment later: that is one pause. */
  #pausesOf(subject: string): { tell: (reason: string, until: number) => void } {
    let told = 0;
    return {
      tell: (reason, until) => {
        const ms = until - Date.now();
        if (ms < shortestPauseMs || until < told + shortestPauseMs) return;
        told = until;
        this.progress({ kind: 'wait', subject, reason, seconds: Math.ceil(ms / 1_000) });
      },
    };
  }

  async close(): Promise<void> {
    await this.#bundle?.opened.then((bundle) => bundle.close()).catch(() => undefined);
    await this.transport.destroy();
  }

  async #connectHarness(): Promise<HarnessClient> {
    const { harnessUrl, harnessAccountId } = this.configuration;
    const pauses = this.#pausesOf('Harness');
    const apiKey = await this.parts.harnessApiKey(this.#refusedKey);
    // The key counts as refused until the client accepts it.
    this.#refusedKey = apiKey;
    const client = new HarnessClient({
      url: harnessUrl,
      apiKey,
      renewKey: async (refused) => {
        // The next task starts with the key that is stored then.
        this.#refusedKey = refused;
        this.#harness = undefined;
        return this.parts.harnessApiKey(refused);
      },
      ...(harnessAccountId !== undefined && { accountId: harnessAccountId }),
      transport: this.transport,
      onRetry: (error, pauseMs) => pauses.tell(error.message, Date.now() + pauseMs),
      ...(this.parts.retry && { retry: { attempts: 4, baseMs: 500, maxMs: 8_000, ...this.parts.retry } }),
    });
    this.#refusedKey = undefined;
    return client;
  }
}
