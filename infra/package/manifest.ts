import source from '../../package.json' with { type: 'json' };

/** The oldest Node.js that runs the command: the first whose `require` loads an ES module without a warning. */
export const neededNode = '22.13';

/** The oldest CDK whose template is that of the newest, but for conditions that CDK has added since. */
const oldestCdk = '2.252.0';
const oldestConstructs = '10.5.0';

/**
 * Returns the package.json of the package. It has no dependencies: they are bundled. `aws-cdk-lib` and `constructs` are
 * the app's own; they are optional, because the command needs neither, and npm would install them beside it.
 */
export function manifest() {
  const { name, version, description, license } = source;
  return {
    name,
    version,
    description,
    license,
    // The release sets it, because npm publishes provenance only for the repository that built the package.
    ...('repository' in source && { repository: source.repository }),
    keywords: [
      'aws',
      'aws-cdk-construct',
      'cdk',
      'container-registry',
      'ecr',
      'harness',
      'harness-ci',
      'mirror',
      'oci',
    ],
    type: 'commonjs',
    // `main` and `types` beside `exports`, for TypeScript's `moduleResolution: node10`.
    main: './lib/index.js',
    types: './lib/index.d.ts',
    exports: { '.': { types: './lib/index.d.ts', default: './lib/index.js' }, './package.json': './package.json' },
    bin: { [name]: 'bin/factory.cjs', factory: 'bin/factory.cjs' },
    files: ['bin', 'lib', 'docs', 'CHANGELOG.md', 'THIRD-PARTY-LICENSES.txt', 'sbom.cdx.json'],
    engines: { node: `>=${neededNode}` },
    peerDependencies: { 'aws-cdk-lib': `^${oldestCdk}`, constructs: `^${oldestConstructs}` },
    peerDependenciesMeta: { 'aws-cdk-lib': { optional: true }, constructs: { optional: true } },
    // CDK copies the functions from real files, which Yarn Plug'n'Play keeps in an archive.
    preferUnplugged: true,
    publishConfig: { access: 'public', provenance: true },
  };
}
