import { expect, it } from '@jest/globals';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { createLocalRuntime } from '../../infra/local/local-runtime.ts';
import { MemoryStore } from '../state/memory-store.ts';

it('sends large layers to ECR by the API that can resume them, and to other registries by upload sessions', async () => {
  const environment = { HARNESS_API_KEY: 'sat.a.b.c', REGISTRY_NAME: 'registry.example.com' };
  const runtime = createLocalRuntime(parseConfiguration(environment), environment, { store: new MemoryStore() });
  const layers = await runtime.parts.layerUploads?.('123456789012.dkr.ecr.eu-west-1.amazonaws.com');
  expect(layers?.largestBlob).toBe(4_200 * 10 * 1024 * 1024);
  expect(await runtime.parts.layerUploads?.('registry.example.com')).toBeUndefined();
  await runtime.close();
});
