import { lookup } from 'node:dns/promises';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '../http/certificate-authority.ts';

/** A name for the hosts file of a machine whose own name has another address. */
const nameInHosts = 'registry.test';

/** The certificates of registries that speak TLS. */
export interface Tls {
  /** The host name in the certificate. Resolves to `address`. */
  name: string;
  address: string;
  /** Files in PEM. */
  ca: string;
  certificate: string;
  key: string;
}

/**
 * Returns the first of these names that resolves to a loopback address. Clients use plain HTTP for `localhost` and
 * `127.0.0.1`, so TLS needs another name.
 */
export async function loopbackName(
  names: readonly string[] = [hostname(), nameInHosts],
): Promise<{ name: string; address: string } | undefined> {
  for (const name of names) {
    const { address } = await lookup(name, 4).catch(() => ({ address: '' }));
    if (address.startsWith('127.')) return { name, address };
  }
  return undefined;
}

/** Creates a certificate authority in a new folder, and a certificate for `host` or a name of this machine. */
export async function createTls(folder: string, host?: string): Promise<Tls> {
  const found = await loopbackName(host === undefined ? undefined : [host]);
  if (!found) {
    throw new Error(
      `TLS needs a name of the loopback address. Add "127.0.0.1 ${host ?? nameInHosts}" to the hosts file, or use --plain.`,
    );
  }
  await mkdir(folder);
  const authority = new CertificateAuthority(folder, 'Benchmark');
  const { cert, key } = authority.issue(found.name);
  const files = {
    ca: join(folder, 'bench-ca.pem'),
    certificate: join(folder, 'bench.crt'),
    key: join(folder, 'bench.key'),
  };
  await writeFile(files.ca, authority.cert);
  await writeFile(files.certificate, cert);
  await writeFile(files.key, key, { mode: 0o600 });
  return { ...found, ...files };
}

/** Variables by which clients trust the authority: Go's, and Node.js's. */
export function trusting({ ca }: Tls): Record<string, string> {
  return { SSL_CERT_FILE: ca, NODE_EXTRA_CA_CERTS: ca };
}
