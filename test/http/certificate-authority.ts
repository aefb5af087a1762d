import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  cert: Buffer;
  key: Buffer;
}

/** A certificate authority of its own, in an empty folder; made by the `openssl` on the PATH. */
export class CertificateAuthority {
  readonly #folder: string;
  readonly cert: Buffer;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      ...out('ca'),
    );
    this.cert = this.#read('ca.crt');
  }

  /** Issues a certificate for a host name, or a client's for a user name. */
  issue(name: string): Certificate {
    writeFileSync(join(this.#folder, 'names'), `subjectAltName=DNS:${name}\n`);
    this.#openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      ...out('leaf'),
    );
    const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    this.#openssl('x509', '-req', '-in', 'leaf.crt', ...signing, '-out', 'signed.crt');
    return { cert: this.#read('signed.crt'), key: this.#read('leaf.key') };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] });
  }

  #read(name: string): Buffer {
    return readFileSync(join(this.#folder, name));
  }
}

function out(name: string): string[] {
  return ['-keyout', `${name}.key`, '-out', `${name}.crt`];
}
