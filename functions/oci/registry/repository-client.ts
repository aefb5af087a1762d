import type { Response } from '../../http/transport.ts';
import { repositoryScope, type Scope } from './auth/scope.ts';
import type { Registry } from './registry.ts';
import type { ReadLimit, RegistryRequest } from './registry-request.ts';

/** A request to one repository, which adds its name and scopes. */
export interface RepositoryRequest extends Omit<RegistryRequest, 'repository' | 'scopes'> {
  /** A path below the repository (`manifests/1.2.3`), or an absolute URL that the registry gave. */
  target: string | URL;
  /** The access that the token must grant. */
  access: 'pull' | 'push' | 'delete';
  /** Another repository of the registry, from which the request mounts a blob. */
  mountFrom?: string | undefined;
}

/** The requests to one repository. The files of this room give them meaning: manifests, blobs, tags, referrers. */
export class RepositoryClient {
  readonly registry: Registry;
  /** Name within the registry: `prefix/harness/ci-addon`. */
  readonly name: string;

  constructor(registry: Registry, name: string) {
    this.registry = registry;
    this.name = name;
  }

  /** Sends a request like `Registry.request`. */
  async request(request: RepositoryRequest): Promise<Response> {
    return this.registry.request(this.#complete(request));
  }

  /** Reads a document like `Registry.read`. */
  async read(request: RepositoryRequest, limit: ReadLimit): Promise<{ response: Response; bytes: Buffer }> {
    return this.registry.read(this.#complete(request), limit);
  }

  /** Resolves a `Location` or `Link` like `Registry.resolve`. */
  resolve(location: string, target: string | URL): URL {
    return this.registry.resolve(location, this.#below(target));
  }

  #complete({ access, mountFrom, ...request }: RepositoryRequest): RegistryRequest {
    // The repository's own scope goes first: some token services grant only that one (go-containerregistry, bearer.go).
    const scopes = this.#scopes(access);
    if (mountFrom !== undefined && mountFrom !== this.name) scopes.push(repositoryScope(mountFrom, 'pull'));
    return { ...request, target: this.#below(request.target), scopes, repository: this.name };
  }

  #scopes(access: RepositoryRequest['access']): Scope[] {
    if (access === 'pull') return [repositoryScope(this.name, 'pull')];
    const push = repositoryScope(this.name, 'pull,push');
    return access === 'push' ? [push] : [repositoryScope(this.name, 'delete'), push];
  }

  #below(target: string | URL): string | URL {
    return typeof target === 'string' ? `${this.name}/${target}` : target;
  }
}
