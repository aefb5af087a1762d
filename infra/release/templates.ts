import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib/core';
import cdk from '../../cdk.json' with { type: 'json' };
import { isObject } from '../../functions/text/json.ts';
import { ReleaseStack, type ReleaseStackProps } from './release-stack.ts';

/** The templates by the begin of their names. Outputs, dashboard and queries differ, so each has one of its own. */
const variants = {
  factory: { registry: 'ecr', webhook: false },
  'factory-webhook': { registry: 'ecr', webhook: true },
  'factory-other-registry': { registry: 'other', webhook: false },
} as const satisfies Record<string, Omit<ReleaseStackProps, 'zips'>>;

/** Without them, CDK does not read cdk.json, and policies come out differently. */
const context = {
  ...cdk.context,
  // They name folders of this machine.
  'aws:cdk:enable-path-metadata': false,
  'aws:cdk:enable-asset-metadata': false,
};

/** Writes the templates, and the zips that they name, to a folder. The same sources give the same bytes. */
export function writeTemplates(outdir: string): void {
  const made = mkdtempSync(join(tmpdir(), 'factory-templates-'));
  try {
    const app = new App({ outdir: made, context });
    const zips = new Map<string, Uint8Array>();
    for (const [id, variant] of Object.entries(variants)) new ReleaseStack(app, id, { ...variant, zips });
    app.synth();
    for (const id of Object.keys(variants)) {
      const name = `${id}.template.json`;
      const template: unknown = JSON.parse(readFileSync(join(made, name), 'utf8'), withoutNotesOfCdk);
      writeFileSync(join(outdir, name), `${JSON.stringify(template, null, 1)}\n`);
    }
    for (const [name, zip] of zips) writeFileSync(join(outdir, name), zip);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

/** Leaves out what only the tools of CDK read. */
function withoutNotesOfCdk(key: string, value: unknown): unknown {
  if (key.startsWith('aws:cdk:')) return undefined;
  return key === 'Metadata' && isObject(value) && Object.keys(value).length === 0 ? undefined : value;
}
