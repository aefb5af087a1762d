import { HarnessClient } from './harness/client.ts';
import { Transport } from './http/transport.ts';
import type { CredentialProvider } from './oci/auth/credentials.ts';
import { BlobLedger } from './oci/blob-ledger.ts';
import type { Digest } from './oci/digest.ts';
import { Registry, type RetryPolicy } from './oci/registry.ts';
import { ManifestCache } from './run/manifest-cache.ts';
import { RunDocuments } from './run/run-documents.ts';
import type { Configuration } from './settings/configuration.ts';
import type { ObjectStore } from './store/object-store.ts';

/** What happens during a run, for whoever shows it. */
export type ProgressEvent =
  | { kind: 'image-started'; image: string; bytes: number }
  | { kind: 'image-progress'; image: string; bytes: number }
  | { kind: 'image-finished'; image: string; status: 'copied' | 'skipped' | 'failed'; message?: string }
  | { kind: 'note'; message: string };

/** Registries that need more than the OCI API: repositories made by hand, images deleted by another call. */
export interface RepositoryAdministration {
  /** Makes the repository when its registry does not do so by itself. */
  ensure(registry: string, repository: string): Promise<void>;
  /** Deletes images where the OCI API cannot; returns whether it was this adapter's to do. */
  deleteImages(registry: string, repository: string, digests: readonly Digest[]): Promise<boolean>;
}

export interface RuntimeParts {
  configuration: Configuration;
  store: ObjectStore;
  /** Asked once, when Harness is first needed. */
  harnessApiKey: () => Promise<string>;
  credentials: CredentialProvider;
  repositories: RepositoryAdministration;
  onProgress?: (event: ProgressEvent) => void;
  retry?: Partial<RetryPolicy>;
  /** Pauses between readings of a configuration that does not show yet what was written, in milliseconds. */
  readBackPausesMs?: readonly number[];
}

/** 30 s in all: Harness may serve an old copy for a while. */
const defaultReadBackPausesMs = [500, 1_000, 2_000, 4_000, 8_000, 14_500];

/** What the tasks work with: the same on Lambda and in one process; only the parts differ. */
export class Runtime {
  readonly configuration: Configuration;
  readonly store: ObjectStore;
  readonly repositories: RepositoryAdministration;
  readonly manifests: ManifestCache;
  readonly readBackPausesMs: readonly number[];
  readonly #parts: RuntimeParts;
  readonly #transport: Transport;
  readonly #registries = new Map<string, Registry>();
  #ledgers: { runId: string; byRegistry: Map<string, BlobLedger> } = { runId: '', byRegistry: new Map() };
  #harness: Promise<HarnessClient> | undefined;

  constructor(parts: RuntimeParts) {
    this.#parts = parts;
    const { registryCerts, trustedPrivateHosts } = parts.configuration;
    this.#transport = new Transport({ registryCerts, trustedPrivateHosts });
    this.configuration = parts.configuration;
    this.store = parts.store;
    this.repositories = parts.repositories;
    this.manifests = new ManifestCache(parts.store);
    this.readBackPausesMs = parts.readBackPausesMs ?? defaultReadBackPausesMs;
  }

  run(runId: string): RunDocuments {
    return new RunDocuments(this.store, runId);
  }

  harness(): Promise<HarnessClient> {
    this.#harness ??= this.#connectHarness().catch((error: unknown) => {
      // Not kept: a function that stays warm would fail for ever after one failed reading of the key.
      this.#harness = undefined;
      throw error;
    });
    return this.#harness;
  }

  registry(name: string): Registry {
    let registry = this.#registries.get(name);
    if (!registry) {
      registry = new Registry({
        registry: name,
        transport: this.#transport,
        credentials: this.#parts.credentials,
        insecure: this.configuration.insecureRegistries.includes(name),
        trustedTokenHosts: this.configuration.trustedTokenHosts,
        onNote: (message) => this.progress({ kind: 'note', message }),
        ...(this.#parts.retry && { retry: this.#parts.retry }),
      });
      this.#registries.set(name, registry);
    }
    return registry;
  }

  /** What a run knows of the blobs at a registry. Forgotten with the run: registries clean up in between. */
  ledger(runId: string, registry: string): BlobLedger {
    if (this.#ledgers.runId !== runId) this.#ledgers = { runId, byRegistry: new Map() };
    let ledger = this.#ledgers.byRegistry.get(registry);
    if (!ledger) this.#ledgers.byRegistry.set(registry, (ledger = new BlobLedger()));
    return ledger;
  }

  progress(event: ProgressEvent): void {
    this.#parts.onProgress?.(event);
  }

  async close(): Promise<void> {
    await this.#transport.destroy();
  }

  async #connectHarness(): Promise<HarnessClient> {
    const { harnessUrl, harnessAccountId } = this.configuration;
    return new HarnessClient({
      url: harnessUrl,
      apiKey: await this.#parts.harnessApiKey(),
      ...(harnessAccountId !== undefined && { accountId: harnessAccountId }),
      transport: this.#transport,
      ...(this.#parts.retry && { retry: { attempts: 4, baseMs: 500, maxMs: 8_000, ...this.#parts.retry } }),
    });
  }
}
