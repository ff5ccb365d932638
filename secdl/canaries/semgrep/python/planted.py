"""Planted defects: secdl's Python rules must report each one in every run. Never imported."""

import os
import pickle
import shutil
import socket
import subprocess
import tarfile
import tempfile
import xml.sax
import xml.sax.handler

import requests
import yaml

PASSWORD = "correct horse"  # canary: secdl.python.password-in-source


def import_appliance(bundle, name, host):
    with tarfile.open(bundle) as archive:
        archive.extractall("/var/lib/images")  # canary: secdl.python.archive-extracted-unfiltered
    shutil.unpack_archive(bundle, "/var/lib/images")  # canary: secdl.python.archive-extracted-unfiltered
    subprocess.run(f"virsh define {name}.xml", shell=True)  # canary: secdl.python.shell-command
    settings = yaml.load(bundle)  # canary: secdl.python.yaml-load
    state = pickle.loads(bundle)  # canary: secdl.python.unpickle
    eval(settings["expression"])  # canary: secdl.python.code-from-data
    requests.get(f"https://{host}/api", verify=False, timeout=5)  # canary: secdl.python.tls-unverified
    scratch = tempfile.mktemp()  # canary: secdl.python.temporary-name
    reader = xml.sax.make_parser()
    reader.setFeature(xml.sax.handler.feature_external_ges, True)  # canary: secdl.python.xml-entities
    os.chmod("/run/vm/qmp.sock", 0o666)  # canary: secdl.python.world-writable
    control = socket.socket()
    control.bind(("0.0.0.0", 16509))  # canary: secdl.python.listens-everywhere
    return state, scratch, reader
