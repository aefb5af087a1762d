import type { ObjectKind } from '../../../functions/harness/objects/object.ts';

/** The project of the samples. */
export const project = { orgIdentifier: 'default', projectIdentifier: 'platform' };

const scope = 'orgIdentifier: default\n  projectIdentifier: platform';

/** One object of each kind, in order of creation. Each names the ones before it. */
export const samples: Readonly<Record<ObjectKind, string>> = {
  secret: `secret:
  type: SecretText
  name: ECR pull password
  identifier: ecr_pull_password
  spec: { secretManagerIdentifier: harnessSecretManager, valueType: Inline }
`,
  connector: `connector:
  name: Mirror of the images
  identifier: mirror
  ${scope}
  type: DockerRegistry
  spec:
    dockerRegistryUrl: https://registry.example.com/harness
    providerType: Other
    auth: { type: UsernamePassword, spec: { username: AWS, passwordRef: account.ecr_pull_password } }
    executeOnDelegate: true
    delegateSelectors: [eu-cluster]
`,
  template: `template:
  name: Build and push
  identifier: build_push
  versionLabel: v1
  type: Stage
  ${scope}
  spec:
    type: Custom
    variables:
      - { name: image, type: String, value: <+input> }
    strategy: <+input>
    spec:
      execution:
        steps:
          - step:
              type: ShellScript
              name: Show
              identifier: show
              timeout: 10m
              spec: { shell: Bash, onDelegate: true, source: { type: Inline, spec: { script: echo "<+stage.variables.image>" } } }
`,
  pipeline: `pipeline:
  name: Harness CI Image Factory
  identifier: image_factory
  ${scope}
  timeout: 3h
  variables:
    - { name: registry, type: String, required: true, value: "<+input>.default(registry.example.com/harness)" }
    - { name: infrastructure_type, type: String, value: "<+input>.default(K8).allowedValues(K8,VM)" }
    - { name: include_windows_rootless, type: String, value: "<+input>.default(false).allowedValues(true,false)" }
  stages:
    - stage:
        name: Factory
        identifier: factory
        type: Custom
        spec:
          execution:
            steps:
              - step:
                  type: Http
                  name: Start
                  identifier: start
                  timeout: 30s
                  spec:
                    url: https://example.com/runs
                    method: POST
                    headers:
                      - { key: Authorization, value: 'Bearer <+secrets.getValue("account.ecr_pull_password")>' }
                    requestBody: '{"registry":"<+pipeline.variables.registry>"}'
                    assertion: <+httpResponseCode> == 202
                  failureStrategies:
                    - onFailure:
                        errors: [AllErrors]
                        action:
                          type: Retry
                          spec: { retryCount: 120, retryIntervals: [20s, 1m], onRetryFailure: { action: { type: MarkAsFailure } } }
    - stage:
        name: Build and push
        identifier: build_push
        template:
          templateRef: build_push
          versionLabel: v1
          templateInputs:
            type: Custom
            variables:
              - { name: image, type: String, value: <+matrix.image> }
            strategy:
              matrix: { image: [a, b], maxConcurrency: 5 }
`,
  inputSet: `inputSet:
  name: Image factory defaults
  identifier: image_factory_defaults
  ${scope}
  pipeline:
    identifier: image_factory
    variables:
      - { name: registry, type: String, value: registry.example.com/harness }
      - { name: include_windows_rootless, type: String, value: "false" }
`,
  trigger: `trigger:
  name: Nightly image factory
  identifier: nightly_image_factory
  enabled: true
  ${scope}
  pipelineIdentifier: image_factory
  source: { type: Scheduled, spec: { type: Cron, spec: { type: UNIX, expression: 0 2 * * * } } }
  inputSetRefs: [image_factory_defaults]
`,
};
