"""Step Functions as moto runs them, for the differential test: the second opinion on the workflow.

Usage: moto_engine.py CALLBACK_URL

Serves the AWS API on a loopback port and prints {"port": N}. Each `lambda:invoke` is POSTed to CALLBACK_URL as
{"role": name, "function": name, "payload": value}, with the role of the state machine, and answered with {"payload": value} or
{"error": {"errorType": name, "errorMessage": text}}. The end of an execution is POSTed as {"ended": arn}. Ends when stdin
does, so that it cannot outlive its parent.
"""

import copy
import functools
import json
import logging
import os
import sys
import urllib.request
from types import SimpleNamespace

from moto.core.config import default_user_config
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.stepfunctions.exceptions import AWSError
from moto.stepfunctions.parser import models
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication

# No proxy of the environment may come between this process and loopback.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class InvalidDefinition(AWSError):
    """moto's own exception of this name is one that its server answers without a type or a message."""

    TYPE = "InvalidDefinition"
    STATUS = 400


def post(callback_url, message):
    request = urllib.request.Request(
        callback_url, json.dumps(message).encode(), {"content-type": "application/json"}
    )
    with opener.open(request) as response:
        return json.load(response)


def invoke(callback_url, parameters, role_arn):
    call = {
        "role": role_arn.rsplit("/", 1)[-1],
        "function": parameters["FunctionName"].rsplit(":", 1)[-1],
        "payload": json.loads(parameters["Payload"]),
    }
    reply = post(callback_url, call)
    if "error" in reply:
        return {
            "StatusCode": 200,
            "ExecutedVersion": "$LATEST",
            "FunctionError": "Unhandled",
            "Payload": {**reply["error"], "trace": []},
        }
    return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": reply["payload"]}


def main(callback_url):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # The interpreter logs every failed state, also those that a test makes fail.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    lambda_eval_utils._invoke_lambda_function = (
        lambda parameters, region, state_credentials: invoke(callback_url, parameters, state_credentials.role_arn)
    )
    # StartExecution copies the state machine deeply, and with it every other execution, whose locks cannot be copied.
    models.copy = SimpleNamespace(deepcopy=copy.copy)
    models.InvalidDefinition = InvalidDefinition
    # Retries and Wait states pass at once: what is compared is the order of things, not their pace.
    retrier_decl.time = SimpleNamespace(sleep=lambda seconds: None)
    WaitFunction._wait_interval = lambda self, env, wait_seconds: None
    # A definition is parsed when it is created and at each execution, which takes most of the time of both.
    AmazonStateLanguageParser.parse = staticmethod(functools.cache(AmazonStateLanguageParser.parse))
    # The grammar of JSONPath is built anew for every path that is parsed, which takes most of an execution's time.
    json_path.parse = functools.cache(json_path.parse)
    result_path.parse = functools.cache(result_path.parse)

    # Every request looks twice into each folder of moto.
    DomainDispatcherApplication.get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)
    terminated = BaseExecutionWorkerCommunication.terminated

    def report_end(self):
        terminated(self)
        post(callback_url, {"ended": self.execution.exec_arn})

    BaseExecutionWorkerCommunication.terminated = report_end

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(json.dumps({"port": server.get_host_and_port()[1]}), flush=True)
    sys.stdin.read()
    # At once, also past executions that still run.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
