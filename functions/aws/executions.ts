import {
  DescribeExecutionCommand,
  type ExecutionStatus,
  SFNClient,
  SFNServiceException,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { clientConfig } from './client-config.ts';

/** An execution, as `DescribeExecution` returns it. `output` is JSON. */
export interface Execution {
  status: ExecutionStatus;
  startedAt: Date;
  endedAt?: Date | undefined;
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
    const executionArn = `${this.#stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
    try {
      const found = await this.#client.send(new DescribeExecutionCommand({ executionArn }));
      const { status = 'RUNNING', startDate = new Date(0), stopDate, output, error, cause } = found;
      return { status, startedAt: startDate, endedAt: stopDate, output, error, cause };
    } catch (error) {
      if (isNamed(error, 'ExecutionDoesNotExist')) return undefined;
      throw error;
    }
  }
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof SFNServiceException && error.name === name;
}
