import { displayUrl } from '../../http/redact.ts';
import type { Response, Transport } from '../../http/transport.ts';
import { printable } from '../../text/printable.ts';
import { connectionFailureOf, RegistryFailure } from './registry-failure.ts';
import type { RegistryRequest } from './registry-request.ts';

const maxRedirects = 5;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** A response, and what was sent for it. */
export interface Answer {
  response: Response;
  /** The host that responded, after redirects. */
  host: string;
  /** The `Authorization` header that was sent. */
  authorization: string | undefined;
}

/** Sends single requests to a registry, and follows its redirects. Retries nothing, and knows no logins. */
export class Exchange {
  readonly origin: URL;
  /** Named in messages. */
  readonly #registry: string;
  readonly #transport: Transport;

  constructor({ registry, origin, transport }: { registry: string; origin: URL; transport: Transport }) {
    this.#registry = registry;
    this.origin = origin;
    this.#transport = transport;
  }

  /** Resolves a `Location` or `Link`. Throws `RegistryFailure` for one less secure than the registry, or no URL. */
  resolve(location: string, target: string | URL): URL {
    const base = this.url(target);
    const url = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
    const plain = this.origin.protocol === 'http:';
    // Nexus behind a TLS proxy names itself by http (https://github.com/sonatype/nexus-public/issues/1059).
    if (url?.protocol === 'http:' && !plain && url.host === this.origin.host) url.protocol = 'https:';
    if (url?.protocol === 'https:' || (url?.protocol === 'http:' && plain)) return url;
    const where = url ? printable(`${url.protocol}//${url.host}`) : 'an address that cannot be read';
    throw new RegistryFailure('RegistryFailed', `${this.#registry} returned an unusable location: ${where}`, {
      hint: `Check the external address in the settings of ${this.#registry}, and whether a captive portal or login page responded. Nothing was sent there.`,
      status: 0,
      transient: false,
    });
  }

  /**
   * Sends a request, and follows redirects without forwarding `authorization`: a blob is usually on a storage host
   * (distribution-spec: clients MUST NOT forward Authorization across hosts). Throws `RegistryFailure`.
   */
  async send(request: RegistryRequest, from: URL, authorization: string | undefined): Promise<Answer> {
    let url = from;
    for (let hop = 0; ; hop++) {
      const headers = { ...request.headers };
      if (authorization !== undefined && url.origin === from.origin) headers['authorization'] = authorization;
      const response = await this.#once(request, url, headers);
      const location = response.header('location');
      const follows = request.method === 'GET' || request.method === 'HEAD';
      if (!follows || location === undefined || !redirectStatuses.has(response.status)) {
        return { response, host: url.host, authorization };
      }
      await response.body.dump();
      if (hop === maxRedirects) throw this.#misdirected(request, url);
      url = this.resolve(location, url);
    }
  }

  #misdirected(request: RegistryRequest, last: URL): RegistryFailure {
    return new RegistryFailure(
      'RegistryFailed',
      `could not ${request.doing} ${this.#registry}/${request.repository}: more than ${maxRedirects} redirects, the last from ${printable(displayUrl(last))}`,
      {
        hint: `Check the external address in the settings of ${this.#registry}, and exempt it from single sign-on: its redirects form a loop.`,
        status: 0,
        transient: false,
      },
    );
  }

  async #once(request: RegistryRequest, url: URL, headers: Record<string, string>): Promise<Response> {
    try {
      return await this.#transport.request({
        method: request.method,
        url,
        headers,
        body: request.body,
        // The registry chose the URL of a redirect or upload session.
        sentBy: this.origin,
        ...(request.headersTimeoutMs !== undefined && { headersTimeoutMs: request.headersTimeoutMs }),
        signal: request.signal,
      });
    } catch (error) {
      throw this.broken(request, url, error);
    }
  }

  /** Returns the error for a broken connection, or the reason of the signal that aborted it. */
  broken(request: RegistryRequest, url: URL, error: unknown): unknown {
    return request.signal?.aborted ? request.signal.reason : connectionFailureOf(this.#registry, request, url, error);
  }

  /** Returns the URL of a target: of a path below `/v2/`, or of a URL that the registry gave. */
  url(target: string | URL): URL {
    return typeof target === 'string' ? new URL(`/v2/${target}`, this.origin) : target;
  }
}
