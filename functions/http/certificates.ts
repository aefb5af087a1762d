import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { isNativeError } from 'node:util/types';
import { TextError, withoutMark } from '../text/plain-text.ts';
import { NetworkError } from './network-error.ts';

/**
 * Returns the TLS settings of one host from a folder laid out as Docker's `/etc/docker/certs.d`
 * (https://docs.docker.com/engine/security/certificates). Below `<host[:port]>/`, each `*.crt` is an additional CA, and
 * each `*.cert` a client certificate with its key in the `*.key` beside it. Returns `undefined` without a folder for
 * the host.
 *
 * @throws {NetworkError} that names the file, when the folder is missing or a file in it cannot be used.
 */
export function secureContextOf(folder: string, host: string): tls.SecureContext | undefined {
  const directory = hostFolder(folder, host);
  if (directory === undefined) return undefined;
  const names = attempt(directory, () => readdirSync(directory)).toSorted();
  const cas = names.filter((name) => name.endsWith('.crt')).map((name) => readCa(join(directory, name)));
  const stems = names.flatMap((name) => /^(.*)\.(?:cert|key)$/.exec(name)?.[1] ?? []);
  const clients = [...new Set(stems)].map((stem) => readClient(join(directory, stem)));
  return attempt(directory, () =>
    tls.createSecureContext({
      // `ca` replaces the default CAs and NODE_EXTRA_CA_CERTS. Docker adds to the defaults.
      ...(cas.length > 0 && { ca: [...defaultCas(), ...cas] }),
      cert: clients.map(({ cert }) => cert),
      key: clients.map(({ key }) => key),
    }),
  );
}

/** Returns the CAs that Node.js trusts. Node.js before 22.15 lists only its own, without those of NODE_EXTRA_CA_CERTS. */
function defaultCas(): (string | Buffer)[] {
  const { getCACertificates } = tls as Partial<typeof tls>;
  if (getCACertificates) return getCACertificates('default');
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  return [...tls.rootCertificates, ...(extra ? [readPem(extra)] : [])];
}

/** Finds the folder of a host. Its name may include or omit the default port. As Docker does, Windows omits colons. */
function hostFolder(folder: string, host: string): string | undefined {
  const present = attempt(folder, () => readdirSync(folder));
  const names = [host, `${host}:443`].map((name) => (process.platform === 'win32' ? name.replaceAll(':', '') : name));
  const name = names.find((candidate) => present.includes(candidate));
  return name === undefined ? undefined : join(folder, name);
}

function readPem(path: string): Buffer {
  return attempt(path, () => Buffer.from(withoutMark(readFileSync(path))));
}

/** Reads and checks a CA. OpenSSL would ignore an invalid one, and then refuse the certificates of its hosts. */
function readCa(path: string): Buffer {
  const ca = readPem(path);
  attempt(path, () => new X509Certificate(ca), 'it is not a certificate in PEM');
  return ca;
}

/** Reads a client certificate `<stem>.cert` with its key `<stem>.key`. */
function readClient(stem: string): { cert: Buffer; key: Buffer } {
  const [certPath, keyPath] = [`${stem}.cert`, `${stem}.key`];
  const cert = readPem(certPath);
  const key = readPem(keyPath);
  const certificate = attempt(certPath, () => new X509Certificate(cert), 'it is not a certificate in PEM');
  const privateKey = attempt(
    keyPath,
    () => createPrivateKey(key),
    /ENCRYPTED/.test(key.toString('latin1'))
      ? 'it is encrypted: store it without a passphrase'
      : 'it is not a key in PEM',
  );
  if (!certificate.checkPrivateKey(privateKey)) throw unusable(keyPath, `it is not the key of ${certPath}`);
  return { cert, key };
}

/** Names the file in failures, with `reason` or the error's code: OpenSSL's messages may quote the text. */
function attempt<T>(path: string, work: () => T, reason?: string): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof NetworkError) throw error;
    if (error instanceof TextError) throw unusable(path, error.message);
    const code = isNativeError(error) && 'code' in error ? String(error.code) : 'unknown';
    throw unusable(path, reason === undefined ? code : `${reason}, ${code}`);
  }
}

function unusable(path: string, reason: string): NetworkError {
  return new NetworkError('ERR_CERTIFICATES', {
    text: `cannot use ${path} (${reason})`,
    hint: "Lay out the files as in Docker's certs.d: <host[:port]>/ca.crt, and client.cert with client.key, in PEM.",
    topic: 'certificates',
  });
}
