import {
  DescribeImageScanFindingsCommand,
  type DescribeImageScanFindingsResponse,
  type ECRClient,
  GetRegistryScanningConfigurationCommand,
  ImageArchivedException,
  ImageNotFoundException,
  LimitExceededException,
  type RegistryScanningConfiguration,
  type ScanStatus,
  ScanNotFoundException,
  StartImageScanCommand,
  UnsupportedImageTypeException,
} from '@aws-sdk/client-ecr';
import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { Finding, ImageScans, ScanAnswer } from '../oci/image-scans.ts';
import { EcrClients, type EcrConfig, ecrFailure, parseEcrHost } from './ecr.ts';

/** Against a service that never stops offering another page; each has up to 1,000 findings. */
const maxPages = 100;

/** The scans of private ECR registries, basic and enhanced. */
export class EcrScans {
  readonly #clients: EcrClients;

  /** `config` (endpoint, credentials) is for tests; on AWS the role of the function counts. */
  constructor(config: EcrConfig = {}) {
    this.#clients = new EcrClients({ maxAttempts: 5, ...config });
  }

  /** `undefined` for a host that is no private ECR registry. */
  of(host: string): ImageScans | undefined {
    const registry = parseEcrHost(host);
    return registry && new RegistryScans(host, registry.accountId, this.#clients.of(registry));
  }
}

/** What the states mean (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-troubleshooting.html). */
const unscannable: Partial<Record<ScanStatus, string>> = {
  FAILED: 'the scan failed',
  UNSUPPORTED_IMAGE: 'the scanner does not know its operating system, or its kind of image',
  SCAN_ELIGIBILITY_EXPIRED:
    'it is older than Inspector rescans images; lengthen the ECR re-scan duration, or push it again',
  LIMIT_EXCEEDED: 'a limit of the scanner was exceeded',
  IMAGE_ARCHIVED: 'it is archived; restore it',
};

class RegistryScans implements ImageScans {
  readonly #host: string;
  readonly #registryId: string;
  readonly #client: ECRClient;

  constructor(host: string, registryId: string, client: ECRClient) {
    this.#host = host;
    this.#registryId = registryId;
    this.#client = client;
  }

  async look(repository: string, digest: Digest, signal?: AbortSignal): Promise<ScanAnswer> {
    try {
      return await this.#describe(repository, digest, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ScanNotFoundException) return this.#begin(repository, digest, signal);
      throw this.#failure(`read the scan of ${digest} in ${repository}`, 'ecr:DescribeImageScanFindings', error);
    }
  }

  async #describe(repository: string, digest: Digest, signal?: AbortSignal): Promise<ScanAnswer> {
    const findings: Finding[] = [];
    let nextToken: string | undefined;
    for (let page = 0; page < maxPages; page++) {
      const command = new DescribeImageScanFindingsCommand({
        ...this.#image(repository, digest),
        ...(nextToken !== undefined && { nextToken }),
        maxResults: 1_000,
      });
      const answer = await this.#client.send(command, signal && { abortSignal: signal });
      const { status, description = '' } = answer.imageScanStatus ?? {};
      // Of an image whose scans have ended there may be old findings, which prove nothing.
      if (status !== 'COMPLETE' && status !== 'ACTIVE') return answerWithout(status, description);
      findings.push(...findingsOf(answer));
      nextToken = answer.nextToken;
      if (nextToken === undefined) return { state: 'scanned', findings };
    }
    throw new Error(`the findings have more than ${maxPages} pages`);
  }

  /** Nothing has scanned the image yet: basic scans can be asked for, enhanced ones begin by themselves, or never. */
  async #begin(repository: string, digest: Digest, signal?: AbortSignal): Promise<ScanAnswer> {
    const configuration = await this.#configuration(signal);
    if (configuration?.scanType === 'ENHANCED') {
      if (covers(configuration, repository)) return { state: 'pending', detail: 'not scanned by Inspector yet' };
      const detail = `no rule of enhanced scanning covers ${repository} but by hand; add one to the registry's scanning configuration`;
      return { state: 'unscannable', id: 'SCAN_NOT_CONFIGURED', detail };
    }
    try {
      const command = new StartImageScanCommand(this.#image(repository, digest));
      await this.#client.send(command, signal && { abortSignal: signal });
      return { state: 'pending', detail: 'PENDING' };
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof UnsupportedImageTypeException) return answerWithout('UNSUPPORTED_IMAGE', error.message);
      if (error instanceof ImageArchivedException) return answerWithout('IMAGE_ARCHIVED', error.message);
      // Its one scan of the day was asked for a moment ago, by its push; or (ValidationException) scanning is enhanced.
      if (error instanceof LimitExceededException || isNamed(error, 'ValidationException'))
        return { state: 'pending', detail: 'not scanned yet' };
      if (isNamed(error, 'AccessDeniedException'))
        return { state: 'pending', detail: 'not scanned yet, and ecr:StartImageScan is not allowed' };
      throw this.#failure(`start the scan of ${digest} in ${repository}`, 'ecr:StartImageScan', error);
    }
  }

  /** `undefined` when it cannot be known: the call answers for the caller's own registry only. */
  async #configuration(signal?: AbortSignal): Promise<RegistryScanningConfiguration | undefined> {
    try {
      const command = new GetRegistryScanningConfigurationCommand({});
      const answer = await this.#client.send(command, signal && { abortSignal: signal });
      return answer.registryId === this.#registryId ? answer.scanningConfiguration : undefined;
    } catch (error) {
      signal?.throwIfAborted();
      if (isNamed(error, 'AccessDeniedException')) return undefined;
      throw this.#failure('read how it scans', 'ecr:GetRegistryScanningConfiguration', error);
    }
  }

  #image(repository: string, digest: Digest) {
    return { registryId: this.#registryId, repositoryName: repository, imageId: { imageDigest: digest } };
  }

  #failure(action: string, permission: string, error: unknown): FactoryError {
    if (!(error instanceof ImageNotFoundException)) return ecrFailure(`${action} at ${this.#host}`, permission, error);
    return new FactoryError('ImageNotFound', `cannot ${action} at ${this.#host}: ${error.message}`, {
      hint: 'Something deleted it while the run was under way. Look at the lifecycle rules of the repository, and run again.',
      cause: error,
    });
  }
}

/** What a state other than the successful ones means. */
function answerWithout(status: ScanStatus | undefined, description: string): ScanAnswer {
  const meaning = status && unscannable[status];
  // PENDING and IN_PROGRESS; findings that are unavailable may still come, and a state of tomorrow is not judged.
  if (status === undefined || meaning === undefined) return { state: 'pending', detail: status ?? 'in no state' };
  return { state: 'unscannable', id: status, detail: description === '' ? meaning : `${meaning}: ${description}` };
}

function findingsOf({ imageScanFindings }: DescribeImageScanFindingsResponse): Finding[] {
  const { findings = [], enhancedFindings = [] } = imageScanFindings ?? {};
  return [
    ...findings.map(({ name, severity }) => ({ id: name ?? 'unnamed', severity: severity ?? 'UNDEFINED' })),
    // What Inspector closed is mended, and what it suppressed the customer has judged already.
    ...enhancedFindings
      .filter(({ status = 'ACTIVE' }) => status === 'ACTIVE')
      .map(({ packageVulnerabilityDetails, findingArn, severity }) => ({
        id: packageVulnerabilityDetails?.vulnerabilityId ?? findingArn ?? 'unnamed',
        severity: severity ?? 'UNTRIAGED',
      })),
  ];
}

/** A filter without `*` finds its text anywhere (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-filters.html). */
function covers({ rules = [] }: RegistryScanningConfiguration, repository: string): boolean {
  return rules
    .filter(({ scanFrequency }) => scanFrequency !== 'MANUAL')
    .flatMap(({ repositoryFilters = [] }) => repositoryFilters)
    .some(({ filter = '' }) => {
      const text = filter.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*');
      return new RegExp(filter.includes('*') ? `^${text}$` : text).test(repository);
    });
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
