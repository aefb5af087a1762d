// Copies in the ECR registry of another account and region. The functions assume a role there.
// Deploy HarnessImagesRegistry with credentials of the registry's account first, then HarnessImages.
import { App, Stack } from 'aws-cdk-lib';
import { AccountPrincipal, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import { HarnessCiImageFactory } from 'harness-ci-image-factory';

const factory = { account: '111111111111', region: 'eu-west-1' };
const registry = { account: '222222222222', region: 'us-east-1' };
const prefix = 'harness-ci';
const roleName = 'harness-ci-image-factory';

const app = new App();
const registryStack = new Stack(app, 'HarnessImagesRegistry', { env: registry });
const factoryStack = new Stack(app, 'HarnessImages', { env: factory });

const role = new Role(registryStack, 'Role', {
  roleName,
  // The roles of the functions, whose names begin with the name of their stack.
  assumedBy: new AccountPrincipal(factory.account).withConditions({
    ArnLike: { 'aws:PrincipalArn': `arn:aws:iam::${factory.account}:role/${factoryStack.stackName}-*` },
  }),
});
role.addToPolicy(
  new PolicyStatement({
    actions: [
      'ecr:BatchCheckLayerAvailability',
      'ecr:BatchGetImage',
      'ecr:CompleteLayerUpload',
      'ecr:CreateRepository',
      'ecr:DescribeImageScanFindings',
      'ecr:DescribeRepositories',
      'ecr:GetDownloadUrlForLayer',
      'ecr:InitiateLayerUpload',
      'ecr:ListImages',
      'ecr:PutImage',
      'ecr:PutLifecyclePolicy',
      'ecr:StartImageScan',
      'ecr:TagResource',
      'ecr:UploadLayerPart',
    ],
    resources: [`arn:aws:ecr:${registry.region}:${registry.account}:repository/${prefix}/*`],
  }),
);
role.addToPolicy(
  new PolicyStatement({
    actions: [
      'ecr:GetAccountSetting',
      'ecr:GetAuthorizationToken',
      'ecr:GetRegistryScanningConfiguration',
      'inspector2:ListCoverage',
      'inspector2:ListFindings',
    ],
    resources: ['*'],
  }),
);

new HarnessCiImageFactory(factoryStack, 'ImageFactory', {
  registryName: `${registry.account}.dkr.ecr.${registry.region}.amazonaws.com/${prefix}`,
  ecrRoleArn: `arn:aws:iam::${registry.account}:role/${roleName}`,
});
