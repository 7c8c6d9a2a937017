"""Processes: forked, spawned, and gunicorn's."""

import http.client
import multiprocessing
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

import keycask
from conftest import MASTER_KEY


def in_child(store, path, token, answers):
    store = store or keycask.open(path, master_key=MASTER_KEY)
    tokens = [store.encrypt(f"user {number % 7}", "sk") for number in range(500)]
    answers.put((store.decrypt("alice", token), tokens))


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_multiprocessing_repeats_no_nonce_and_loses_no_key(store, path, how):
    token = store.encrypt("alice", "sk-alice")
    context = multiprocessing.get_context(how)
    answers = context.Queue()
    inherited = store if how == "fork" else None
    children = [context.Process(target=in_child, args=(inherited, path, token, answers)) for _ in range(4)]
    for child in children:
        child.start()
    all_tokens = [store.encrypt(f"user {number % 7}", "sk") for number in range(500)]
    for _ in children:
        secret, tokens = answers.get()
        assert secret == "sk-alice"
        all_tokens += tokens
    for child in children:
        child.join()
        assert child.exitcode == 0
    nonces = {token[:19] for token in all_tokens}
    assert len(nonces) == 2500
    for at, token in enumerate(all_tokens):
        assert store.decrypt(f"user {at % 500 % 7}", token) == "sk"


class Unix(http.client.HTTPConnection):
    def __init__(self, place):
        super().__init__("localhost", timeout=60)
        self.place = place

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.place)


def test_gunicorn_with_preload_serves_from_one_store(path, tmp_path):
    place, text = str(tmp_path / "socket"), keycask.generate_master_key()
    is_ready, ready = os.pipe()
    environment = {**os.environ, "STORE": path, "API_KEY_MASTER_KEY": text, "READY": str(ready)}
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--preload", "-w", "3", "-k", "gthread", "--threads", "4", "-b", f"unix:{place}",
         "-c", pathlib.Path(__file__).with_name("app.py"), "--log-level", "warning", "app:application"],
        env=environment, cwd=pathlib.Path(__file__).parent, stderr=subprocess.PIPE, pass_fds=[ready])
    os.close(ready)
    try:
        assert os.read(is_ready, 1) == b"1", server.stderr.read()
        answers, wrong = [], []

        def client(number):
            for request in range(60):
                user, secret = f"user {request % 20}".replace(" ", "-"), f"sk-{number}-{request}"
                connection = Unix(place)
                connection.request("GET", f"/{user}?{secret}")
                answer = connection.getresponse()
                if answer.status != 200:
                    wrong.append(answer.status)
                answers.append((user, secret, answer.read().decode(), answer.headers["Worker"]))
                connection.close()

        clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
    finally:
        server.send_signal(signal.SIGTERM)
        complaints = server.communicate(timeout=60)[1]
        os.close(is_ready)
    assert server.returncode == 0 and not wrong and len(answers) == 480, complaints
    assert len({worker for *_, worker in answers}) > 1
    with keycask.open(path, master_key=text) as store:
        assert all(store.decrypt(user, token) == secret for user, secret, token, _ in answers)
