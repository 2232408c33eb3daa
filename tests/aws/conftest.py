"""AWS as moto plays it, over HTTP."""

import functools
import logging
import urllib.request

import botocore.session
import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(autouse=True, scope="session")
def each_description_of_a_service_is_read_once():
    """Share one loader: each session of botocore would parse the megabytes of EC2 anew."""
    shared = functools.cache(botocore.session.create_loader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", shared)
        yield


@pytest.fixture(scope="module")
def server():
    """Address of a fresh server for each module of tests."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    url = f"http://{host}:{port}"
    # What moto plays lies in the process: a module that is entered again would find its own rest.
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    yield url
    moto.stop()
