import { isNativeError } from 'node:util/types';
import type { Hint } from '../hint.ts';
import { own } from '../text/own.ts';
import { printable } from '../text/printable.ts';
import { unusableExtraCertificates } from './extra-certificates.ts';

/** A failure below HTTP, described for a person, with a hint. */
export interface NetworkFailure extends Hint {
  code: string;
  text: string;
  /** True if the same request may succeed later. */
  transient: boolean;
  /** Set if a proxy failed, and not the server. */
  party?: 'proxy';
}

/** A failure without its code. It is permanent unless it says that it is transient. */
type Described = Omit<NetworkFailure, 'code' | 'transient'> & { transient?: boolean };

/** A connection that our configuration or policy forbids, or that exceeded a time limit. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: string;
  readonly failure: NetworkFailure;

  constructor(code: string, described: Described) {
    super(described.text);
    this.code = code;
    this.failure = { code, transient: false, ...described };
  }
}

const nameTheCa = 'Name the file of its CA in NODE_EXTRA_CA_CERTS.';
/** Failures that a CA named in `NODE_EXTRA_CA_CERTS` could have prevented. */
const unknownCa: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);
const noRoute = { hint: 'Check the network, VPN and firewall.', transient: true };
const broken = { hint: 'Try again. Check the proxies and firewalls in between.', transient: true };
const invalidChain: Described = { text: 'TLS certificate of an unknown CA', hint: nameTheCa, topic: 'unknown-ca' };
const handshakeRefused: Described = {
  text: 'TLS handshake refused by the server',
  hint: 'If it requires a client certificate, store client.cert and client.key for this host.',
  topic: 'certificates',
};
const clientCertificateRefused: Described = {
  text: 'TLS client certificate refused by the server',
  hint: 'Check client.cert and client.key of this host.',
  topic: 'certificates',
};
const clientCertificateExpired: Described = {
  text: 'TLS client certificate refused by the server, because it has expired',
  hint: 'Renew client.cert and client.key of this host.',
  topic: 'certificates',
};

/** The failures of slow servers, which the transport reports too. */
export const noHeaders = {
  text: 'no response within the time limit',
  hint: 'Try again. The server may be overloaded.',
  transient: true,
};
export const slowBody = { hint: 'Try again. The server or the network is slow.', transient: true };

const failures: Record<string, Described> = {
  ECONNREFUSED: {
    text: 'connection refused',
    hint: 'Check the host and port, and that the server runs.',
    transient: true,
  },
  ECONNRESET: { text: 'connection reset by the server', ...broken },
  EPIPE: { text: 'connection closed by the server while sending', ...broken },
  ENOTFOUND: { text: 'host name not found', hint: 'Check the spelling of the host name, and DNS.' },
  EAI_AGAIN: { text: 'DNS did not respond', hint: 'Check the DNS resolver of this machine.', transient: true },
  EHOSTUNREACH: { text: 'no route to the host', ...noRoute },
  ENETUNREACH: { text: 'network unreachable', ...noRoute },
  ETIMEDOUT: { text: 'connection timed out', ...noRoute },
  UND_ERR_CONNECT_TIMEOUT: { text: 'connection timed out', ...noRoute },
  UND_ERR_HEADERS_TIMEOUT: noHeaders,
  UND_ERR_BODY_TIMEOUT: { text: 'the response stalled', ...slowBody },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    text: 'the response is shorter or longer than its headers say',
    ...broken,
  },
  UND_ERR_HEADERS_OVERFLOW: {
    text: 'the headers of the response are larger than 16 KiB',
    hint: 'Check the host and port, and what proxies in between add to responses.',
  },
  UND_ERR_SOCKET: { text: 'connection broken', ...broken },
  DEPTH_ZERO_SELF_SIGNED_CERT: { text: 'self-signed TLS certificate', hint: nameTheCa, topic: 'unknown-ca' },
  SELF_SIGNED_CERT_IN_CHAIN: invalidChain,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: invalidChain,
  UNABLE_TO_GET_ISSUER_CERT: invalidChain,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: invalidChain,
  // OpenSSL 3.5 and later; earlier versions use SSLV3 instead of SSL/TLS.
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': handshakeRefused,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: handshakeRefused,
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': clientCertificateRefused,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: clientCertificateRefused,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: clientCertificateRefused,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: handshakeRefused,
  'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED': clientCertificateExpired,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: clientCertificateExpired,
  CERT_HAS_EXPIRED: {
    text: 'expired TLS certificate',
    hint: 'Renew the certificate of the server or of its CA, and check the clock of this machine.',
  },
  CERT_NOT_YET_VALID: {
    text: 'TLS certificate that is not valid yet',
    hint: 'Check the clocks of this machine and of the server.',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    text: 'TLS certificate for another host',
    hint: 'Use the name the certificate was issued for.',
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    text: 'the server does not speak TLS on this port',
    hint: 'Check the port.',
    topic: 'no-tls',
  },
};

/** Describes a TLS failure that has no entry in `failures`. */
function tlsFailed(code: string): NetworkFailure {
  const hint = 'Check the TLS versions and certificates of the server, and the proxies in between.';
  return { code, text: `TLS failed (${code})`, hint, transient: false };
}

/** Describes an error of the network or of undici. Returns `undefined` for any other error. */
export function networkFailure(error: unknown): NetworkFailure | undefined {
  // Not `instanceof`: in a VM context the errors of Node.js modules belong to another realm.
  for (let e = error, depth = 0; isNativeError(e) && depth < 5; depth++) {
    if (e instanceof NetworkError) return e.failure;
    const code = 'code' in e && typeof e.code === 'string' ? e.code : '';
    const known = own(failures, code);
    if (known) return { code, transient: false, ...known, ...more(code, e) };
    if (/^ERR_(?:SSL|TLS)_/.test(code)) return tlsFailed(code);
    // Happy eyeballs reports one error per address; they agree in practice.
    e = 'errors' in e && Array.isArray(e.errors) && e.errors.length > 0 ? (e.errors[0] as unknown) : e.cause;
  }
  return undefined;
}

/** Adds details from the error and from this machine. */
function more(code: string, error: Error): Partial<NetworkFailure> {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' && 'reason' in error && typeof error.reason === 'string') {
    return { text: `TLS certificate for another host (${printable(error.reason)})` };
  }
  const complaint = unknownCa.has(code) ? unusableExtraCertificates() : undefined;
  return complaint === undefined ? {} : { hint: `${complaint} ${nameTheCa}` };
}
