import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { isNativeError } from 'node:util/types';
import { NetworkError } from './network-error.ts';

/**
 * What one host's TLS needs beyond the default, from a folder laid out as Docker's `/etc/docker/certs.d`
 * (https://docs.docker.com/engine/security/certificates): below `<host[:port]>/`, each `*.crt` is a CA that is trusted
 * too, each `*.cert` a client certificate with its key in the `*.key` beside it. `undefined` when nothing is there for
 * the host. Throws `NetworkError` when the folder is missing, or what is there cannot be used.
 */
export function secureContextOf(folder: string, host: string): SecureContext | undefined {
  const directory = hostFolder(folder, host);
  if (directory === undefined) return undefined;
  const names = attempt(directory, () => readdirSync(directory)).toSorted();
  const read = (name: string) => attempt(join(directory, name), () => readFileSync(join(directory, name)));
  const cas = names.filter((name) => name.endsWith('.crt')).map(read);
  const clients = names.filter((name) => name.endsWith('.cert'));
  return attempt(directory, () => {
    // A CA that is none would be ignored.
    for (const ca of cas) new X509Certificate(ca);
    return createSecureContext({
      // `ca` replaces what is trusted by default, NODE_EXTRA_CA_CERTS included; Docker adds to it.
      ...(cas.length > 0 && { ca: [...getCACertificates('default'), ...cas] }),
      cert: clients.map(read),
      key: clients.map((name) => read(name.replace(/\.cert$/, '.key'))),
    });
  });
}

/** A port that goes without saying may be said in the folder's name or not. */
function hostFolder(folder: string, host: string): string | undefined {
  const present = attempt(folder, () => readdirSync(folder));
  const name = [host, `${host}:443`].find((candidate) => present.includes(candidate));
  return name === undefined ? undefined : join(folder, name);
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof NetworkError) throw error;
    // The code alone (ENOENT, ERR_OSSL_…): OpenSSL's words may quote what they could not parse.
    const code = isNativeError(error) && 'code' in error ? String(error.code) : 'unknown';
    throw new NetworkError('ERR_CERTIFICATES', {
      text: `cannot use ${path} (${code})`,
      hint: "Lay REGISTRY_CERTS out as Docker's certs.d: <host[:port]>/ca.crt, and client.cert with client.key, in PEM.",
    });
  }
}
