// Copies in a private registry that the VPC reaches. All else on the internet goes through a proxy that inspects TLS.
// Save the CA of the proxy as certificates/ca.pem, and that of the registry as certificates/certs.d/HOST/ca.crt.
import { App, Stack } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { Code, LayerVersion } from 'aws-cdk-lib/aws-lambda';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { HarnessCiImageFactory } from 'harness-ci-image-factory';

const app = new App();
const stack = new Stack(app, 'HarnessImages');

new HarnessCiImageFactory(stack, 'ImageFactory', {
  registryName: 'registry.internal.example/harness',
  // A Docker config.json: {"auths": {"registry.internal.example": {"username": "…", "password": "…"}}}
  registryCredentialsSecret: Secret.fromSecretNameV2(stack, 'RegistryCredentials', 'harness-images/registry'),
  vpc: Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    vpcCidrBlock: '10.0.0.0/16',
    availabilityZones: ['eu-west-1a', 'eu-west-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    privateSubnetRouteTableIds: ['rtb-0123456789abcdef0', 'rtb-0123456789abcdef1'],
  }),
  // Leave this out if the VPC has endpoints for AWS.
  createVpcEndpoints: true,
  proxy: { url: 'http://proxy.internal.example:3128', bypass: ['registry.internal.example'] },
  layers: [new LayerVersion(stack, 'Certificates', { code: Code.fromAsset('certificates') })],
  registryCerts: '/opt/certs.d',
  extraCaCerts: '/opt/ca.pem',
});
