"""An AWS on loopback without containers: LocalStack, whose Lambda functions are run by the test process.

Usage: start_localstack.py PORT CALLBACK_URL FASTER

Serves the AWS API on PORT of 127.0.0.1. Each invocation of a Lambda function is POSTed to CALLBACK_URL as
{"name", "version", "folder", "memoryMiB", "timeoutSeconds", "environment", "payload"}, and answered with one of
{"result": value}                     the function returned value
{"functionError": {...}}              the function failed, or its process died
{"serviceError": {"code", "message", "status"}}   Lambda did not run it

LocalStack verifies no signatures of requests to Function URLs. Here one of AuthType AWS_IAM refuses a request that the
secret access key "test" did not sign, and passes on the caller's ARN, as Lambda does.

Waits between the states of an execution, and between retries, are FASTER times as short as the definition says.
Ends when standard input does, so that it cannot outlive the process that started it.
"""

import json
import os
import re
import sys
import threading
import time
import urllib.request
import uuid
from types import SimpleNamespace

port, callback_url, faster = sys.argv[1], sys.argv[2], float(sys.argv[3])
# LocalStack reads its configuration from the environment when its modules are loaded.
os.environ.update(
    GATEWAY_LISTEN=f"127.0.0.1:{port}",
    FILESYSTEM_ROOT=os.path.join(os.getcwd(), "localstack"),
    DNS_ADDRESS="0",
    SKIP_SSL_CERT_DOWNLOAD="1",
    DISABLE_EVENTS="1",
    OVERRIDE_IN_DOCKER="0",
    CFN_VERBOSE_ERRORS="1",
)

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from localstack.aws.api import CommonServiceException
from localstack.http import Response
from localstack.runtime import main
from localstack.services.cloudformation.engine.v2.change_set_model import ChangeSetModel
from localstack.services.events.target import StatesTargetSender
from localstack.services.lambda_.invocation.docker_runtime_executor import DockerRuntimeExecutor
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_ import urlrouter
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager
from localstack.services.stepfunctions.asl.component.common.retry import retrier_decl
from localstack.services.stepfunctions.asl.component.state.state_wait.wait_function.wait_function import WaitFunction

# No proxy of the environment may come between the two processes.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def invoke(self, *, invocation):
    """Takes the place of LambdaVersionManager.invoke, which would start a container."""
    config = self.function_version.config
    call = {
        "name": self.function_version.id.function_name,
        "version": self.function_version.id.qualifier,
        "folder": str(config.code.get_unzipped_code_location()),
        "memoryMiB": config.memory_size,
        "timeoutSeconds": config.timeout,
        "environment": dict(config.environment or {}),
        "payload": json.loads(invocation.payload or b"null"),
    }
    request = urllib.request.Request(callback_url, json.dumps(call).encode(), {"content-type": "application/json"})
    with opener.open(request) as response:
        reply = json.load(response)
    if "serviceError" in reply:
        error = reply["serviceError"]
        raise CommonServiceException(error["code"], error["message"], status_code=error["status"])
    failed = "functionError" in reply
    return InvocationResult(
        request_id=invocation.request_id,
        payload=json.dumps(reply["functionError"] if failed else reply["result"]).encode(),
        is_error=failed,
        logs="",
        executed_version="$LATEST",
    )


def start_execution(self, event, trace_header):
    """Takes the place of StatesTargetSender.send_event, which names the execution after the event, and fails when an
    input transformer has left nothing of that. EventBridge makes up a name."""
    self.service = "stepfunctions"
    text = event if isinstance(event, str) else json.dumps(event)
    self.client.start_execution(stateMachineArn=self.target["Arn"], name=str(uuid.uuid4()), input=text)


def signer(request):
    """Returns the access key id that signed a request with SigV4, or None."""
    form = r"AWS4-HMAC-SHA256 Credential=(.+?)/\d+/(.+?)/(.+?)/aws4_request, ?SignedHeaders=(.+?), ?Signature=(\w+)"
    found = re.fullmatch(form, request.headers.get("authorization", ""))
    if not found:
        return None
    key_id, region, service, signed, signature = found.groups()
    headers = {name: request.headers[name] for name in signed.split(";")}
    auth = SigV4Auth(Credentials(key_id, "test"), service, region)
    copy = AWSRequest(request.method, f"http://{headers['host']}{request.path}", headers, request.get_data())
    copy.context["timestamp"] = request.headers["x-amz-date"]
    expected = auth.signature(auth.string_to_sign(copy, auth.canonical_request(copy)), copy)
    return key_id if service == "lambda" and expected == signature else None


def needs_signature(url_id):
    functions = [function for regions in lambda_stores.values() for store in regions.values() for function in store.functions.values()]
    configs = [config for function in functions for config in function.function_url_configs.values()]
    return any(config.url_id.lower() == url_id.lower() and config.auth_type == "AWS_IAM" for config in configs)


def handle_signed(self, request, api_id, region, **more):
    if needs_signature(api_id) and signer(request) is None:
        return Response('{"Message":"Forbidden"}', 403)
    return handle_any(self, request, api_id, region, **more)


def event_with_caller(api_id, request):
    event = event_without_caller(api_id, request)
    if needs_signature(api_id):
        caller = f"arn:aws:iam::000000000000:user/{signer(request)}"
        event["requestContext"]["authorizer"] = {"iam": {"userArn": caller}}
    return event


def unpack(cls, function_version):
    function_version.config.code.prepare_for_execution()


visit_deletion_policy = ChangeSetModel._visit_deletion_policy


def keep(self, scope, *policies):
    """Takes the place of ChangeSetModel._visit_deletion_policy. LocalStack deletes what is to be retained except on
    create, when an update removes it from the template. CloudFormation keeps it."""
    policies = ("Retain" if policy == "RetainExceptOnCreate" else policy for policy in policies)
    return visit_deletion_policy(self, scope, *policies)


ChangeSetModel._visit_deletion_policy = keep
handle_any = urlrouter.FunctionUrlRouter.handle_lambda_url_invocation
urlrouter.FunctionUrlRouter.handle_lambda_url_invocation = handle_signed
event_without_caller = urlrouter.event_for_lambda_url
urlrouter.event_for_lambda_url = event_with_caller
LambdaVersionManager.invoke = invoke
StatesTargetSender.send_event = start_execution
DockerRuntimeExecutor.validate_environment = classmethod(lambda cls: True)
DockerRuntimeExecutor.prepare_version = classmethod(unpack)
DockerRuntimeExecutor.cleanup_version = classmethod(lambda cls, function_version: None)

# What is tested is the order of things, not their pace.
retrier_decl.time = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / faster))
WaitFunction._wait_interval = lambda self, env, wait_seconds: time.sleep(wait_seconds / faster)


def end_with_parent():
    sys.stdin.read()
    # At once, also past executions that still run.
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
main.main()
