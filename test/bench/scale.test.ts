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
    ['bytes of the state of the workflow', ({ stateBytes }) => stateBytes],
    ['events of the execution', ({ historyEvents }) => historyEvents],
    ['bytes of the plan', ({ planBytes }) => planBytes],
    ['bytes of the report', ({ reportBytes }) => reportBytes],
  ])('%s grow no faster than the images', (_, measure) => {
    expect(measure(small)).toBeGreaterThan(0);
    expect(grows(measure)).toBeLessThanOrEqual(1.05);
  });

  it('a run of any size has three waves, and moves every blob once', () => {
    for (const { waves, overhead } of [small, large]) {
      expect(waves).toHaveLength(3);
      expect(overhead).toBeGreaterThanOrEqual(1);
      expect(overhead).toBeLessThanOrEqual(1.001);
    }
  });

  it('a run that finds nothing changed sends two requests per image', () => {
    expect([small.requestsUnchanged, large.requestsUnchanged]).toEqual([2 * few, 2 * many]);
  });

  it('a checkpoint grows by two bits per blob, in base64, and stays below 64 KiB', () => {
    expect(checkpointBytes(20_000) - checkpointBytes(10_000)).toBeLessThan(10_000 * (2 / 6) * 1.02);
    expect(checkpointBytes(20_000)).toBeLessThan(64 * 1024);
  });

  it('the table of scale has a line for each number of images', () => {
    const table = scaleTable([small, large]).split('\n\n')[0] ?? '';
    const [head, rule, ...lines] = table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
    expect(rule).toHaveLength(head?.length ?? 0);
    expect(lines.map(([, images]) => images)).toEqual([String(few), String(many)]);
  });
});
