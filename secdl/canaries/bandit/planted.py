"""Planted defects: bandit must report each one in every run, or its evidence does not count. Never imported."""

import hashlib
import os
import pickle
import ssl
import subprocess
import tarfile
import tempfile
import xml.etree.ElementTree

import requests
import yaml

PASSWORD = "hypervisor"  # canary: B105


def restore_snapshot(blob, archive, command, url, document):
    pickle.loads(blob)  # canary: B301
    hashlib.md5(blob).hexdigest()  # canary: B324
    tarfile.open(archive).extractall("/var/lib/images")  # canary: B202
    subprocess.call(command, shell=True)  # canary: B602
    os.system(command)  # canary: B605
    exec(command)  # canary: B102
    os.chmod("/run/qmp.sock", 0o777)  # canary: B103
    tempfile.mktemp()  # canary: B306
    requests.get(url, verify=False, timeout=5)  # canary: B501
    yaml.load(document)  # canary: B506
    ssl.wrap_socket(ssl_version=ssl.PROTOCOL_SSLv3)  # canary: B502
    return xml.etree.ElementTree.fromstring(document)  # canary: B314
