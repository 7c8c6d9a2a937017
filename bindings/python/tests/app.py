"""A service under gunicorn, which opens its store before its workers are forked; and gunicorn's configuration."""

import os

import keycask

store = None


def when_ready(server):
    os.write(int(os.environ["READY"]), b"1")


def application(environ, start_response):
    user, secret = environ["PATH_INFO"].strip("/"), environ["QUERY_STRING"]
    token = store.encrypt(user, secret)
    assert store.decrypt(user, token) == secret
    start_response("200 OK", [("Content-Type", "text/plain"), ("Worker", str(os.getpid()))])
    return [token.encode()]


if __name__ == "app":
    store = keycask.open(os.environ["STORE"])
    store.encrypt("before the fork", "sk")
