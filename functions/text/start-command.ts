import { parseArn } from './arn.ts';
import { shellWord } from './shell-word.ts';

/** Returns the command of the AWS CLI that starts an execution of a state machine with `input`. */
export function startCommand(stateMachineArn: string, input: object): string {
  const { region } = parseArn(stateMachineArn);
  const words = ['--region', region, '--state-machine-arn', stateMachineArn, '--input', JSON.stringify(input)];
  return ['aws stepfunctions start-execution', ...words.map(shellWord)].join(' ');
}
