import { expect, it } from '@jest/globals';
import { Executions } from '../../functions/aws/executions.ts';

const arn = 'arn:aws-us-gov:states:us-gov-west-1:123456789012:stateMachine:factory';

it('names the command that starts an execution, for a shell', () => {
  expect(new Executions(arn).startCommand({ pins: { "o'clock": '1' } })).toBe(
    `aws stepfunctions start-execution --region us-gov-west-1 --state-machine-arn ${arn} ` +
      String.raw`--input '{"pins":{"o'\''clock":"1"}}'`,
  );
});
