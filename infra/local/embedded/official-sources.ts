import { officialDefaults, type ProfileName } from './harness-api/profiles.ts';
import { imagesOf } from './harness-api/defaults.ts';
import { profile } from './registry/profiles.ts';
import { type Registry, startRegistry } from './registry/server.ts';
import type { Image } from './registry/storage.ts';
import { pushSamples, type PushSamplesOptions } from './sample-images.ts';

/** The registries where Harness publishes its images, in the factory's default order. Each has its own path. */
const paths = {
  gar: 'gar-prod-setup/harness-public',
  'ecr-public': 'harness',
  'docker-hub': '',
} as const;

type SourceName = keyof typeof paths;

/** Images that Harness publishes and no field names: plugins with several versions, scanners, and the delegate. */
const imagesWithoutField: readonly string[] = [
  'plugins/email:1.0.0',
  'plugins/email:1.1.0',
  'plugins/email:1.2.3',
  'plugins/email:2.0.0',
  'plugins/email:latest',
  'plugins/image-migration:1.2.0',
  'harness/aqua-trivy-job-runner:latest',
  'harness/grype-job-runner:latest',
  'harness/snyk-job-runner:latest',
  'harness/delegate:25.10.1',
  'harness/delegate:25.11.0',
  'harness/delegate:latest',
  'harness/upgrader:latest',
];

/** Embedded stand-ins for Google Artifact Registry, ECR Public and Docker Hub, with their quirks. */
export interface OfficialSources extends AsyncDisposable {
  registries: Record<SourceName, Registry>;
  /** The sources, in the factory's default order. */
  names: readonly SourceName[];
  /** Values of SOURCE_REGISTRY, in the same order. */
  addresses: readonly string[];
  /** The addresses by the names that a person reads. */
  places: Readonly<Record<string, string>>;
  /** Puts samples of images into each source that has their namespace. */
  publish(images: readonly string[], options?: PushSamplesOptions): Image[];
  close(): Promise<void>;
}

/** Every image of a profile's fields, those of Windows nodes in their place, and those that no field names. */
export function publishedImages(name?: ProfileName): string[] {
  const images = imagesOf(officialDefaults(name));
  const windows = images.filter((image) => image.endsWith('-rootless')).map((image) => image.replace(/-rootless$/, ''));
  return [...new Set([...images, ...windows, ...imagesWithoutField])];
}

/** Starts the three sources, without images. Anyone may pull. */
export async function startOfficialSources(): Promise<OfficialSources> {
  const start = async (name: SourceName) => {
    const quirks = profile(name);
    // Paid accounts of Docker Hub have no pull limit, and a complete copy needs more than anonymous users get.
    delete quirks.rateLimit;
    return startRegistry({ quirks, auth: { kind: 'bearer', users: {}, anonymousPull: true } });
  };
  const [gar, ecrPublic, dockerHub] = await Promise.all([start('gar'), start('ecr-public'), start('docker-hub')]);
  const registries = { gar, 'ecr-public': ecrPublic, 'docker-hub': dockerHub };
  const names = Object.keys(paths) as SourceName[];
  const close = async () => {
    await Promise.all(names.map((name) => registries[name].close()));
  };
  const addresses = names.map((name) => [registries[name].host, paths[name]].filter(Boolean).join('/'));
  return {
    registries,
    names,
    addresses,
    places: Object.fromEntries(addresses.map((address, i) => [`source ${i + 1}, ${names[i]}`, address])),
    publish(images, options) {
      const published = names.map((name) => {
        const here = images.filter((image) => name === 'docker-hub' || !image.startsWith('harnesssecure/'));
        return pushSamples(registries[name], here, { ...options, prefix: paths[name] });
      });
      return published.at(-1) ?? [];
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
