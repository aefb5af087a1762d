import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EventBus } from '../../functions/aws/event-bus.ts';
import { available } from '../real-parts.ts';
import { account, type MotoServer, region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';

const event = { source: 'a-source', detailType: 'Run Ended', detail: { outcome: 'failed', text: 'ü "quoted"' } };

(available('moto_server') ? describe : describe.skip)('an event bus', () => {
  let moto: MotoServer;
  let events: EventBridgeClient;
  let sqs: SQSClient;

  beforeAll(async () => {
    moto = await shareMotoServer();
    events = new EventBridgeClient(moto.config);
    sqs = new SQSClient(moto.config);
  }, 60_000);
  afterAll(async () => {
    events?.destroy();
    sqs?.destroy();
    await moto?.close();
  });

  it('hands an event on to the targets of a rule that matches it', async () => {
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'failures' }));
    const Name = 'failures';
    const EventPattern = JSON.stringify({ source: [event.source], detail: { outcome: ['failed'] } });
    await events.send(new PutRuleCommand({ Name, EventPattern }));
    const Arn = `arn:aws:sqs:${region}:${account}:failures`;
    await events.send(new PutTargetsCommand({ Rule: Name, Targets: [{ Id: 'queue', Arn }] }));
    const bus = new EventBus(events);
    await bus.put({ ...event, detail: { outcome: 'succeeded' } });
    await bus.put(event);
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    expect(Messages.map(({ Body = '' }) => JSON.parse(Body) as object)).toMatchObject([
      { source: event.source, 'detail-type': event.detailType, detail: event.detail },
    ]);
  });

  it('fails when EventBridge refuses the event, although the request succeeds', async () => {
    await expect(new EventBus(events).put({ ...event, source: '' })).rejects.toThrow(/Source/);
  });
});
