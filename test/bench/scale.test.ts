import { beforeAll, describe, expect, it } from '@jest/globals';
import { scaleTable } from './scale-table.ts';
import { checkpointBytes, type Scale, simulate } from './scale.ts';

const [few, many] = [40, 120];

describe('with the number of images', () => {
  let small: Scale;
  let large: Scale;
  beforeAll(async () => {
    small = await simulate(few);
    large = await simulate(many);
  }, 60_000);

  const grows = (measure: (scale: Scale) => number) => measure(large) / measure(small) / (many / few);

  it.each<[string, (scale: Scale) => number]>([
    ['requests to the source', ({ requests }) => requests.source],
    ['requests to the target', ({ requests }) => requests.target],
    ['the state of the workflow', ({ stateBytes }) => stateBytes],
    ['the events of the execution', ({ historyEvents }) => historyEvents],
    ['the plan', ({ planBytes }) => planBytes],
    ['the report', ({ reportBytes }) => reportBytes],
  ])('%s: in proportion, or less', (_, measure) => {
    expect(measure(small)).toBeGreaterThan(0);
    expect(grows(measure)).toBeLessThanOrEqual(1.05);
  });

  it('the waves stay three, and every blob crosses once', () => {
    for (const { waves, overhead } of [small, large]) {
      expect(waves).toHaveLength(3);
      expect(overhead).toBeGreaterThanOrEqual(1);
      expect(overhead).toBeLessThanOrEqual(1.001);
    }
  });

  it('a run that finds nothing changed costs two requests for each', () => {
    expect([small.requestsUnchanged, large.requestsUnchanged]).toEqual([2 * few, 2 * many]);
  });

  it('a checkpoint grows by two bits for each blob of the image, as base64, and stays below 64 KiB', () => {
    expect(checkpointBytes(20_000) - checkpointBytes(10_000)).toBeLessThan(10_000 * (2 / 6) * 1.02);
    expect(checkpointBytes(20_000)).toBeLessThan(64 * 1024);
  });

  it('the table has a line for each', () => {
    const table = scaleTable([small, large]).split('\n\n')[0] ?? '';
    const [head, rule, ...lines] = table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
    expect(rule).toHaveLength(head?.length ?? 0);
    expect(lines.map(([, images]) => images)).toEqual([String(few), String(many)]);
  });
});
