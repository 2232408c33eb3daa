"""AWS as moto plays it, over HTTP."""

import logging

import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="module")
def server():
    """Address of a fresh server for each module of tests."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()
