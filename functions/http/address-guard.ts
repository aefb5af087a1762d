import { lookup } from 'node:dns/promises';
import type { LookupAddress, LookupAllOptions, LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { mayReach, outermost, type Reach, reachOfAddress, reachOfHost } from './address-policy.ts';
import { hostOf, matchesHost } from './host-patterns.ts';
import { NetworkError } from './network-error.ts';

type Resolve = (host: string, options: LookupAllOptions) => Promise<LookupAddress[]>;

export interface AddressGuardOptions {
  /** Hosts, in the syntax of `NO_PROXY`, that a registry may refer us to at any address. */
  readonly trustedPrivateHosts?: readonly string[] | undefined;
  /** Default: the system's resolver. */
  readonly resolve?: Resolve | undefined;
  /** Returns whether a proxy, and not this machine, resolves the name of a URL. */
  readonly isProxied: (url: URL) => boolean;
}

/** Resolves names, and permits each request only the addresses that its sender may refer us to. */
export class AddressGuard {
  readonly #trusted: readonly string[];
  readonly #isProxied: (url: URL) => boolean;
  readonly #lookUp: Resolve;
  /** The most public network of each name, so that no name becomes private by changing its addresses. */
  readonly #reaches = new Map<string, Reach>();

  constructor({ trustedPrivateHosts = [], resolve, isProxied }: AddressGuardOptions) {
    this.#trusted = trustedPrivateHosts;
    this.#lookUp = resolve ?? ((host, options) => lookup(host, options));
    this.#isProxied = isProxied;
  }

  /**
   * Returns the most private network that a request to `url` may go to. Throws `NetworkError` when `url` is an address
   * beyond it. A host that the user named may be anywhere.
   */
  async admit({ url, sentBy }: { url: URL; sentBy?: URL }): Promise<Reach> {
    const sender = await this.#reachOf({ url, sentBy });
    const host = hostOf(url);
    // An address literal is not resolved, so check it here.
    if (isIP(host)) allowed([{ address: host, family: isIP(host) }], sender);
    return sender;
  }

  async #reachOf({ url, sentBy }: { url: URL; sentBy: URL | undefined }): Promise<Reach> {
    if (!sentBy || sentBy.origin === url.origin || matchesHost(url, this.#trusted)) return 'loopback';
    const host = hostOf(sentBy);
    if (isIP(host)) return reachOfHost([host]);
    // Only the proxy resolves the name.
    if (this.#isProxied(sentBy)) return 'public';
    // Usually known from the connection that carried the referral.
    if (!this.#reaches.has(host)) await this.#resolve(host, {});
    return this.#reaches.get(host) ?? 'public';
  }

  /** Checks the addresses that the connection then uses. A second lookup could return others (DNS rebinding). */
  lookup(sender: Reach): LookupFunction {
    const answer = async (host: string, options: LookupOptions): Promise<Parameters<LookupCallback>> => {
      try {
        const addresses = allowed(await this.#resolve(host, options), sender);
        return options.all ? [null, addresses] : [null, addresses[0].address, addresses[0].family];
      } catch (error) {
        return [error as NodeJS.ErrnoException, []];
      }
    };
    return async (host, options, callback) => callback(...(await answer(host, options)));
  }

  async #resolve(host: string, options: LookupOptions): Promise<LookupAddress[]> {
    const all = { ...options, all: true } as const;
    const found = await this.#lookUp(host, all);
    const reach = reachOfHost(found.map(({ address }) => address));
    this.#reaches.set(host, outermost([reach, this.#reaches.get(host) ?? reach]));
    return found;
  }
}

/** Filters the addresses that `sender` may refer us to. Throws `NetworkError` if none remains. */
function allowed(found: readonly LookupAddress[], sender: Reach): [LookupAddress, ...LookupAddress[]] {
  const [first, ...more] = found.filter(({ address }) => mayReach(address, sender));
  if (first) return [first, ...more];
  const refused = found.map(({ address }) => address);
  const everRefused = refused.every((address) => reachOfAddress(address) === undefined);
  throw new NetworkError(
    'ERR_ADDRESS_REFUSED',
    everRefused
      ? {
          text: `${refused.join(', ')} is never a registry address`,
          hint: 'Use another address: metadata services, multicast and hidden IPv4 addresses are refused.',
        }
      : {
          text: `a registry at a ${sender} address referred us to ${refused.join(', ')}, which is more private`,
          hint: 'Trust the host if this is intended.',
          topic: 'private-address',
        },
  );
}

type LookupCallback = Parameters<LookupFunction>[2];
