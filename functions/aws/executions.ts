import {
  DescribeExecutionCommand,
  type ExecutionStatus,
  paginateGetExecutionHistory,
  SFNClient,
  SFNServiceException,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { executionArnOf } from '../text/arn.ts';
import { startCommand } from '../text/start-command.ts';
import { clientConfig } from './client-config.ts';

/** An execution, as `DescribeExecution` returns it. `input` and `output` are JSON. */
export interface Execution {
  status: ExecutionStatus;
  startedAt: Date;
  endedAt?: Date | undefined;
  input?: string | undefined;
  output?: string | undefined;
  error?: string | undefined;
  cause?: string | undefined;
}

/** The executions of one Step Functions state machine, by name. */
export class Executions {
  readonly #stateMachineArn: string;
  readonly #client: SFNClient;

  constructor(stateMachineArn: string, client = new SFNClient(clientConfig())) {
    this.#stateMachineArn = stateMachineArn;
    this.#client = client;
  }

  /** Returns the command of the AWS CLI that starts an execution with `input`. */
  startCommand(input: object): string {
    return startCommand(this.#stateMachineArn, input);
  }

  /** Starts an execution. Returns `false` when the name exists, or existed in the last 90 days. */
  async start(name: string, input: string): Promise<boolean> {
    try {
      await this.#client.send(new StartExecutionCommand({ stateMachineArn: this.#stateMachineArn, name, input }));
      return true;
    } catch (error) {
      if (isNamed(error, 'ExecutionAlreadyExists')) return false;
      throw error;
    }
  }

  async find(name: string): Promise<Execution | undefined> {
    try {
      const found = await this.#client.send(new DescribeExecutionCommand({ executionArn: this.#arnOf(name) }));
      const { status = 'RUNNING', startDate = new Date(0), stopDate, input, output, error, cause } = found;
      return { status, startedAt: startDate, endedAt: stopDate, input, output, error, cause };
    } catch (error) {
      if (isNamed(error, 'ExecutionDoesNotExist')) return undefined;
      throw error;
    }
  }

  /** Returns the name of the state that a running execution entered last. */
  async stateOf(name: string): Promise<string | undefined> {
    const newestFirst = { executionArn: this.#arnOf(name), reverseOrder: true, includeExecutionData: false };
    for await (const { events = [] } of paginateGetExecutionHistory({ client: this.#client }, newestFirst)) {
      const entered = events.find(({ stateEnteredEventDetails }) => stateEnteredEventDetails);
      if (entered) return entered.stateEnteredEventDetails?.name;
    }
    return undefined;
  }

  /** Stops an execution. One that has ended stays as it is. */
  async stop(name: string, { error, cause }: { error: string; cause: string }): Promise<void> {
    await this.#client.send(new StopExecutionCommand({ executionArn: this.#arnOf(name), error, cause }));
  }

  #arnOf(name: string): string {
    return executionArnOf(this.#stateMachineArn, name);
  }
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof SFNServiceException && error.name === name;
}
